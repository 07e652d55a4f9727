package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
)

// undo puts the links back after a failure, with the same cache work as the
// deploy: by then some workers may know the new release.
func (r *run) undo(ctx context.Context, cause error) error {
	if r.synced != nil {
		_ = r.synced() // it writes the journal; its failure is the cause, or undone with the rest
	}
	r.journal.Undoing = cause.Error()
	linkErr, cacheErr := r.putBack(ctx)
	if linkErr != nil {
		return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("%w; and the links cannot be put back: %w", cause, linkErr)), `remove the cause, then run "relink recover"`)
	}
	failed := []error{r.markBad(cause), r.record(r.event(cause.Error()))}
	if cacheErr == nil {
		_, cacheErr = r.settleUndone(ctx)
	}
	if cacheErr != nil {
		failed = append(failed, hint.With(fmt.Errorf("the caches are not proven to have followed: %w", cacheErr), `run "relink recover" when the pools answer`))
	}
	failed = append(failed, r.forget())
	return exit.As(exit.ErrRolledBack, fmt.Errorf("failed and rolled back: %w", errors.Join(append([]error{cause}, failed...)...)))
}

func (r *run) markBad(cause error) error {
	var failed []error
	for _, id := range r.made {
		if slices.Contains(r.journal.Repeats, id) {
			continue // what it repeats has served well
		}
		failed = append(failed, r.store.MarkBad(id, cause.Error()))
	}
	return errors.Join(failed...)
}

// putBack moves every link of the journal that has moved to where it was. The
// links come first: they are put back also where no cache can be reached.
func (r *run) putBack(ctx context.Context) (linkErr, cacheErr error) {
	back, strangers, err := undoable(r.journal.Moves)
	if err != nil {
		return err, nil
	}
	for _, path := range strangers {
		r.report.warn(path + " was changed by somebody else meanwhile and is left as it is")
	}
	if err := r.note(PhaseSwitching); err != nil {
		return err, nil
	}
	// All moves are watched, also those that did not come to pass: the sweep has
	// to reach the same pools.
	all := r.journal.Moves.Back()
	r.cut, cacheErr = r.watchLinks(ctx, cacheLinks(all, r.journal.Unsettled))
	linkErr, renewErr := r.crossBack(ctx, back, all)
	if cacheErr = errors.Join(cacheErr, renewErr); linkErr != nil {
		return linkErr, cacheErr
	}
	r.unsettled = stillUnsettled(all, r.journal.Unsettled)
	if cacheErr == nil {
		cacheErr = r.cutOver(ctx)
	}
	if cacheErr == nil && r.renewed { // the old release has no room beside the new one either
		_, cacheErr = r.renewInto(ctx, all)
	}
	return nil, errors.Join(cacheErr, r.expectNothing())
}

// undoable are the moves back of those links that lead to their new target, and
// the links that lead to neither of the two.
func undoable(moves Plan) (back Plan, strangers []string, err error) {
	for _, move := range moves {
		state, err := links.Read(move.Place)
		if err != nil {
			return nil, nil, err
		}
		switch state.Literal {
		case move.To.Literal:
			back = append(back, move.Back())
		case move.From.Literal:
		default:
			strangers = append(strangers, move.Link)
		}
	}
	return back, strangers, nil
}

func (r *run) relinkNow(moves Plan) error {
	if r.links != nil {
		if err := r.links.discard(); err != nil {
			return err
		}
	}
	links, err := prepareLinks(moves, r.id+"-back", r.Reached)
	if err != nil {
		return err
	}
	if err := links.move(); err != nil {
		return errors.Join(err, links.discard())
	}
	return errors.Join(links.sync(), r.mapFromLinks())
}

// cutOver is sweep and invalidation outside of a deploy's own steps.
func (r *run) cutOver(ctx context.Context) error {
	if _, err := r.sweepBy(ctx, r.cut); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	_, _, err := r.invalidateBy(ctx, r.cut)
	if err != nil {
		return fmt.Errorf("invalidate: %w", err)
	}
	return nil
}

// settleUndone is settle for moves that were undone: what may come back is the
// new release.
func (r *run) settleUndone(ctx context.Context) (string, error) {
	moves := r.journal.Moves
	r.journal.Moves = moves.Back()
	defer func() { r.journal.Moves = moves }()
	return r.settleBy(ctx, r.cut)
}
