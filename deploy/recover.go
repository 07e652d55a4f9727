package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"relink/deploy/apps"
	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/webmap"
	"relink/internal/config"
	"relink/internal/durable"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// Recover finishes or undoes what an interrupted deploy left, and settles what
// could not be settled then. Without such a deploy it does nothing.
func Recover(ctx context.Context, o Options, d Deps) (outcome.Report, error) {
	return operate(ctx, o, d, journal.OperationRecover, (*run).recoverAll, func(r *run, _ context.Context) error {
		_, err := r.dryLeft()
		return err
	})
}

func (r *run) recoverAll(ctx context.Context) error {
	s := r.inOrder()
	left := take(ctx, s, "recover", r.recoverLeft)
	if s.err != nil || len(left.unsettled) == 0 {
		return s.err
	}
	rest := r.each()
	unsettled := take(ctx, rest, "settle", left.run.settle(left.change, left.unsettled))
	rest.do(ctx, "retire", left.run.retire(left.cut))
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), rest.err)
	}
	return exit.As(exit.ErrUnverified, errors.Join(rest.err, left.run.forget(unsettled)))
}

// recovery is what has become of an interrupted deploy.
type recovery struct {
	run *run // the interrupted one, as its journal tells; nil: there was none
	change
	unsettled moves.Plan // moves whose old release may still come back
}

// interrupted is the run of a journal, carried on by this one.
func (r *run) interrupted(left journal.Journal) *run {
	o := r.Options
	if left.Phase != journal.PhaseSettled { // what it left the caches is this run's to do
		o.Reset, o.APCu = left.Reset, o.APCu || left.APCu
	}
	return &run{Options: o, Deps: r.Deps, id: r.id, began: r.began, report: r.report, store: r.store, journal: left}
}

// recoverLeft puts right what an interrupted deploy left. It does not wait for
// busy workers: those moves are carried on as unsettled, and the deploy that
// follows, or Recover, settles them with its own.
func (r *run) recoverLeft(ctx context.Context) (recovery, string, error) {
	left, err := journal.Read(r.App.JournalFile())
	if err != nil {
		return recovery{}, "", err
	}
	if err := r.removeLeftovers(ctx); err != nil {
		return recovery{}, "", err
	}
	if left == nil {
		return recovery{}, r.recovered(), nil
	}
	steady, cancel := uninterrupted(ctx, steadyTime)
	defer cancel()
	done, err := r.interrupted(*left).finishOrUndo(steady)
	return done, r.recovered(), err
}

func (r *run) recovered() string {
	if n := len(r.report.Recovered); n > 0 {
		return ui.Plural(n, "thing") + " put right"
	}
	return ""
}

func (r *run) tell(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	r.report.Recovered = append(r.report.Recovered, line)
	r.Screen.Line("  recovered: %s", line)
}

// removeLeftovers is safe at any phase: under the lock nobody else stages, and
// temporary links serve nobody.
func (r *run) removeLeftovers(ctx context.Context) error {
	staged, err := r.store.CleanStaging(ctx)
	for i, name := range staged {
		staged[i] = filepath.Join(r.store.Dir(), name)
	}
	if err := r.tellRemoved("", staged, err); err != nil {
		return err
	}
	var places []string
	for _, state := range apps.ReadLinks(r.App.Instances) {
		if state.Parent != "" {
			places = append(places, state.Place())
		}
	}
	removed, err := moves.RemoveTemporary(places)
	if err := r.tellRemoved("the temporary link ", removed, err); err != nil {
		return err
	}
	written := []string{r.App.JournalFile(), r.App.HistoryFile()}
	if r.App.Map != "" {
		written = append(written, r.App.Map)
	}
	for _, path := range written { // what a crash left of files that were being written
		removed, err := durable.RemoveTemporary(path)
		if err := r.tellRemoved("the temporary file ", removed, err); err != nil {
			return err
		}
	}
	return nil
}

// tellRemoved says what is gone, also where that failed then.
func (r *run) tellRemoved(what string, removed []string, err error) error {
	for _, path := range removed {
		r.tell("removed %s%s", what, path)
	}
	return err
}

// finishOrUndo brings the run of a journal to an end.
func (r *run) finishOrUndo(ctx context.Context) (recovery, error) {
	switch direction := r.journal.Phase.Direction(); {
	case direction == journal.Finishing && r.journal.Phase != journal.PhaseSettled && moves.Gone(r.journal.Moves):
		return r.recoverBack(ctx) // its way back could not be noted
	case direction == journal.Finishing:
		return r.recoverForward(ctx)
	case direction == journal.Undoing:
		return r.recoverBack(ctx)
	default:
		return r.recoverStaging(ctx)
	}
}

// recoverStaging removes releases that no link leads to yet.
func (r *run) recoverStaging(ctx context.Context) (recovery, error) {
	done := recovery{run: r, unsettled: r.journal.Unsettled}
	live := r.App.InUse()
	for _, id := range r.made() {
		if live.IDs()[id] {
			continue
		}
		if err := r.store.Remove(ctx, id); err != nil {
			return done, err
		}
		r.tell("removed release %s, which never went live", id)
	}
	return done, r.forget(done.unsettled)
}

// recoverBack undoes a switch that was interrupted between its renames. Nobody
// knows whether what had to come with it had begun.
func (r *run) recoverBack(ctx context.Context) (recovery, error) {
	done, left := recovery{run: r}, r.journal
	found, connectErr := r.connect(ctx, nil)
	need, pendingErr := r.expectedRenewals()
	plan, _ := r.movesBack()
	back, linkErr, cacheErr := r.putBack(ctx, plan, prepared{change: change{server: found}, fit: need}, crossing{begun: true})
	if linkErr != nil {
		return done, exit.As(exit.ErrUnverified, linkErr)
	}
	done.change, done.unsettled = back, moves.StillUnsettled(back.plan, left.Unsettled)
	r.tell("put the links of the interrupted %s of %s back", left.Operation, left.Release)
	if left.Undoing != "" {
		if err := r.markBad(left.Undoing); err != nil {
			return done, err
		}
	}
	if err := journal.Record(r.App.HistoryFile(), r.event(r.report.SetUp, cmp.Or(left.Undoing, "interrupted"))); err != nil {
		return done, err
	}
	return r.afterLinks(done, errors.Join(connectErr, pendingErr, cacheErr))
}

// recoverForward finishes a switch whose links had all moved. One that is settled
// but for some workers has nothing to put right: a deploy that follows reaches
// these together with its own.
func (r *run) recoverForward(ctx context.Context) (recovery, error) {
	left := r.journal
	done := recovery{run: r, unsettled: moves.StillUnsettled(left.Moves, left.Unsettled)}
	if left.Phase == journal.PhaseSettled {
		if r.report.Operation != journal.OperationRecover {
			return done, nil
		}
	} else if err := webmap.FollowLinks(r.App); err != nil {
		return done, err
	}
	found, err := r.connect(ctx, nil)
	done.change = change{server: found, plan: left.Moves}
	if err == nil && found.caches != nil {
		if done.cut, err = r.watch(ctx, found, moves.CacheLinks(nil, done.unsettled)); err == nil {
			err = r.finishCaches(ctx, done.change)
		}
	}
	if err != nil && left.Phase != journal.PhaseSettled && r.report.Operation == journal.OperationRecover {
		return done, notFollowed(err) // nor can the release be judged: the journal stays as it is
	}
	if left.Phase != journal.PhaseSettled {
		asked, failed := "", error(nil)
		if err == nil {
			asked, failed = r.recheck(ctx, r.sitesAtOnce(found))
		}
		if errors.Is(failed, front.ErrCheck) {
			return r.takeBack(ctx, done, failed)
		}
		if err := errors.Join(failed, journal.Record(r.App.HistoryFile(), r.event("", ""))); err != nil {
			return done, err
		}
		r.tell("%s of %s was interrupted after its links had moved: it is live, checked on %s; its after_switch hooks were not all run",
			left.Operation, left.Release, cmp.Or(asked, "no instance"))
	}
	return r.afterLinks(done, err)
}

// recheck makes the checks of an interrupted deploy, which may have ended before
// them or because of them: a release that nobody has checked is no good one.
func (r *run) recheck(ctx context.Context, atOnce int) (asked string, err error) {
	moved := slices.DeleteFunc(slices.Clone(r.App.Instances), func(i config.Instance) bool {
		return !slices.ContainsFunc(r.journal.Moves, func(m moves.Move) bool { return m.Instance == i.Name && !m.Stays })
	})
	before := map[string]front.Page{}
	for _, name := range r.journal.Well {
		before[name] = front.Page{Status: http.StatusOK}
	}
	return r.check(moved, before, atOnce)(ctx)
}

// takeBack undoes an interrupted deploy whose release fails its checks. Where it
// stands in the way of a deploy, that one goes on from what was before.
func (r *run) takeBack(ctx context.Context, done recovery, failed error) (recovery, error) {
	need, err := r.expectedRenewals()
	if err != nil {
		return done, err
	}
	err = r.undo(ctx, failed, prepared{change: done.change, fit: need}, crossing{begun: true})
	if r.report.Operation == journal.OperationRecover || errors.Is(err, exit.ErrUnverified) {
		return done, err
	}
	r.report.Warn("recover: " + err.Error())
	return recovery{run: r}, nil
}

// finishCaches does all at once that an interrupted deploy left to be done after
// its links had moved.
func (r *run) finishCaches(ctx context.Context, seen change) error {
	var err error
	if r.journal.Phase != journal.PhaseSettled {
		err = r.finishRenewals(ctx, seen)
	}
	return errors.Join(err, r.renewLeft(ctx, seen), r.cutOver(ctx, seen.cut))
}

// afterLinks writes down that the links are right and what is left for the
// caches. With no cache to care for nothing is.
func (r *run) afterLinks(done recovery, cacheErr error) (recovery, error) {
	if err := r.forget(done.unsettled); err != nil {
		return done, err
	}
	switch {
	case cacheErr == nil:
		return done, nil
	case r.report.Operation != journal.OperationRecover:
		r.report.Warn("recover: " + cacheErr.Error()) // what follows meets the same caches
		return done, nil
	}
	return done, notFollowed(cacheErr)
}

func notFollowed(cacheErr error) error {
	return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("the links are right, but the caches may hold old code: %w", cacheErr)),
		`run "relink recover" again when the pools answer; a pool that was restarted since holds nothing old`)
}
