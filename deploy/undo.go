package deploy

import (
	"context"
	"errors"
	"fmt"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/webmap"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/state"
)

// undo puts the links back after a failure, with the same cache work as the
// deploy: by then some workers may know the new release.
func (r *run) undo(ctx context.Context, cause error, ready prepared, done crossing) error {
	// It has its own time: checks may have used up that of the switch, and links that
	// go back without the caches serve the failed release for good.
	ctx, cancel := uninterrupted(ctx, steadyTime)
	defer cancel()
	if done.synced != nil {
		_ = done.synced() // it writes the journal; its failure is the cause, or undone with the rest
	}
	r.journal.Undoing = cause.Error()
	plan, strangers := r.movesBack()
	back, linkErr, cacheErr := r.putBack(ctx, plan, ready, done)
	if linkErr != nil {
		return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("%w; and the links cannot be put back: %w", cause, linkErr)), `remove the cause, then run "relink recover"`)
	}
	failed := []error{r.markBad(cause.Error()), journal.Record(r.App.HistoryFile(), r.event(r.report.SetUp, cause.Error()))}
	unsettled := moves.StillUnsettled(back.plan, r.journal.Unsettled)
	if cacheErr == nil { // what may come back is the new release
		unsettled, _, cacheErr = r.settleBy(ctx, back, back.plan)
	}
	if cacheErr != nil {
		failed = append(failed, hint.With(fmt.Errorf("the caches are not proven to have followed: %w", cacheErr), `run "relink recover" when the pools answer`))
	}
	failed = append(failed, r.forget(unsettled))
	outcome, text := exit.ErrRolledBack, "failed and rolled back"
	if cacheErr != nil || len(strangers) > 0 {
		outcome, text = exit.ErrUnverified, "failed, and its links were put back, but that is not proven for all visitors"
	}
	return exit.As(outcome, fmt.Errorf("%s: %w", text, errors.Join(append([]error{cause}, failed...)...)))
}

// markBad spares repeats: what they repeat has served well.
func (r *run) markBad(reason string) error {
	if !r.journal.Made {
		return nil
	}
	return r.store.MarkBad(r.journal.Release, reason)
}

// putBack moves every link of the journal that has moved to where it was. The
// links come first: they are put back also where no cache can be reached. What it
// returns are the moves back, and the caches that have to follow these.
func (r *run) putBack(ctx context.Context, plan moves.Plan, ready prepared, done crossing) (back change, linkErr, cacheErr error) {
	// Where even the reserve is not enough, the links matter more: recovery sees that
	// all have gone back.
	if err := errors.Join(state.Remove(r.App.ReserveFile()), r.note(journal.PhaseSwitching)); err != nil {
		r.report.Warn("the links go back without a note of that: " + err.Error())
	}
	// All moves are watched, also those that did not come to pass: the sweep has
	// to reach the same pools.
	back = change{server: ready.server, plan: r.journal.Moves.Back()}
	back.cut, cacheErr = r.watch(ctx, back.server, moves.CacheLinks(back.plan, r.journal.Unsettled))
	relink := func() error { return r.relinkNow(plan, ready, done) }
	var renewErr error
	if done.begun {
		linkErr, renewErr = r.crossBack(ctx, back, ready.fit, relink)
	} else {
		linkErr = relink()
	}
	if cacheErr = errors.Join(cacheErr, renewErr); linkErr != nil {
		return back, linkErr, cacheErr
	}
	if cacheErr == nil {
		cacheErr = r.cutOver(ctx, back.cut)
	}
	if cacheErr == nil && done.full { // the old release has no room beside the new one either
		_, _, cacheErr = r.renewInto(ctx, back, ready.fit)
	}
	return back, nil, errors.Join(cacheErr, r.withdraw())
}

// movesBack undoes those of the journal, but for links that others have moved.
func (r *run) movesBack() (back moves.Plan, strangers []string) {
	back, strangers = moves.Undoable(r.journal.Moves)
	for _, path := range strangers {
		r.report.Warn(path + " was changed by somebody else meanwhile and is left as it is")
	}
	return back, strangers
}

// relinkNow moves links back; what was prepared and not moved is removed.
func (r *run) relinkNow(plan moves.Plan, ready prepared, done crossing) error {
	if ready.links != nil {
		if err := ready.links.Discard(); err != nil {
			return err
		}
	}
	back, err := moves.Prepare(plan, r.id+"-back", r.Reached)
	if err != nil {
		return err
	}
	if err := back.Move(); err != nil {
		return errors.Join(err, back.Discard())
	}
	err = back.Sync()
	if ready.webmap != nil && done.last.IsZero() {
		err = errors.Join(err, ready.webmap.Discard())
	}
	return errors.Join(err, webmap.FollowLinks(r.App))
}

// cutOver is sweep and invalidation outside of a deploy's own steps.
func (r *run) cutOver(ctx context.Context, cut Switch) error {
	if _, err := r.sweepBy(ctx, cut); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	_, _, err := r.invalidateBy(ctx, cut)
	if err != nil {
		return fmt.Errorf("invalidate: %w", err)
	}
	return nil
}
