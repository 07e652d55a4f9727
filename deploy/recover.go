package deploy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"relink/deploy/webmap"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
)

// Recover finishes or undoes what an interrupted deploy left, and settles what
// could not be settled then. Without such a deploy it does nothing.
func Recover(ctx context.Context, o Options, d Deps) (Report, error) {
	return begin(ctx, o, d, OperationRecover, (*run).recoverAll, (*run).dryRecover)
}

func (r *run) recoverAll(ctx context.Context) error {
	if err := r.inOrder(ctx, step{"recover", r.recoverLeft}); err != nil {
		return err
	}
	if len(r.unsettled) == 0 {
		return nil
	}
	problems := r.each(ctx, step{"settle", r.settle}, step{"retire", r.retire})
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), problems)
	}
	return exit.As(exit.ErrUnverified, errors.Join(problems, r.forget()))
}

// recoverLeft puts right what an interrupted deploy left. It does not wait for
// busy workers: those moves are carried on as unsettled, and the deploy that
// follows, or Recover, settles them with its own.
func (r *run) recoverLeft(ctx context.Context) (string, error) {
	left, err := readJournal(r.App.journalFile())
	if err != nil {
		return "", err
	}
	if err := r.removeLeftovers(ctx); err != nil {
		return "", err
	}
	if left == nil {
		return r.recovered(), nil
	}
	own, reset := r.journal, r.Reset
	r.journal, r.Reset = *left, left.Reset
	err = r.recoverFrom(ctx, *left)
	if r.report.Operation == OperationRecover {
		return r.recovered(), err
	}
	r.journal, r.Reset, r.cut, r.renewals = own, reset, nil, renewals{}
	if r.Reset == ResetNever {
		r.caches = nil
	}
	return r.recovered(), err
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
	for _, name := range staged {
		r.tell("removed %s", filepath.Join(r.store.Dir(), name))
	}
	if err != nil {
		return err
	}
	states, err := readLinks(r.App.Instances)
	if err != nil {
		return err
	}
	var places []string
	for _, state := range states {
		if state.Kind != links.NoParent {
			places = append(places, state.Place())
		}
	}
	links, err := removeTemporary(places)
	for _, path := range links {
		r.tell("removed the temporary link %s", path)
	}
	if err != nil || r.App.Map == "" {
		return err
	}
	maps, err := webmap.Clean(r.App.Map)
	for _, path := range maps {
		r.tell("removed the temporary map %s", path)
	}
	return err
}

func (r *run) recoverFrom(ctx context.Context, left Journal) error {
	steady, cancel := uninterrupted(ctx, steadyTime)
	defer cancel()
	switch {
	case left.Phase == PhaseSettled:
		return r.recoverSettled(steady, left)
	case left.Phase.Forward():
		return r.recoverForward(steady, left)
	case left.Phase == PhaseSwitching:
		return r.recoverBack(steady, left)
	default:
		return r.recoverStaging(steady, left)
	}
}

// recoverStaging removes releases that no link leads to yet.
func (r *run) recoverStaging(ctx context.Context, left Journal) error {
	r.unsettled = left.Unsettled
	made := slices.Clone(left.Repeats)
	if left.Made {
		made = append(made, left.Release)
	}
	live, err := r.App.InUse()
	if err != nil {
		return err
	}
	for _, id := range made {
		if _, err := r.store.Get(id); err != nil || live.IDs()[id] {
			continue
		}
		if err := r.store.Remove(ctx, id); err != nil {
			return err
		}
		r.tell("removed release %s, which never went live", id)
	}
	return r.forget()
}

// recoverBack undoes a switch that was interrupted between its renames.
func (r *run) recoverBack(ctx context.Context, left Journal) error {
	connectErr := errors.Join(r.connect(ctx), r.expectedRenewals(left))
	linkErr, cacheErr := r.putBack(ctx)
	if linkErr != nil {
		return exit.As(exit.ErrUnverified, linkErr)
	}
	r.tell("put the links of the interrupted %s of %s back", left.Operation, left.Release)
	undone := left.Undoing
	if undone == "" {
		undone = "interrupted"
	}
	if err := r.record(r.event(undone)); err != nil {
		return err
	}
	return r.afterLinks(errors.Join(connectErr, cacheErr))
}

// recoverForward finishes a switch whose links had all moved.
func (r *run) recoverForward(ctx context.Context, left Journal) error {
	r.unsettled = stillUnsettled(left.Moves, left.Unsettled)
	if err := errors.Join(r.mapFromLinks(), r.record(r.event(""))); err != nil {
		return err
	}
	r.tell("%s of %s was interrupted after its links had moved: it is live; its checks and after_switch hooks were not all run", left.Operation, left.Release)
	return r.recoverCaches(ctx, left)
}

// recoverSettled has nothing to put right: it has to reach workers that could
// not be reached before. A deploy that follows does that together with its own.
func (r *run) recoverSettled(ctx context.Context, left Journal) error {
	r.unsettled = stillUnsettled(left.Moves, left.Unsettled)
	if r.report.Operation != OperationRecover {
		return nil
	}
	return r.recoverCaches(ctx, left)
}

func (r *run) recoverCaches(ctx context.Context, left Journal) error {
	err := r.connect(ctx)
	if err == nil && r.caches != nil {
		if r.cut, err = r.watchLinks(ctx, cacheLinks(nil, r.unsettled)); err == nil {
			err = errors.Join(r.finishRenewals(ctx, left), r.renewLeft(ctx), r.cutOver(ctx))
		}
	}
	return r.afterLinks(err)
}

// afterLinks writes down that the links are right and what is left for the
// caches. With no cache to care for nothing is.
func (r *run) afterLinks(cacheErr error) error {
	if r.Reset == ResetNever {
		r.unsettled = nil
	}
	if err := r.forget(); err != nil {
		return err
	}
	switch {
	case cacheErr == nil:
		return nil
	case r.report.Operation != OperationRecover:
		r.report.warn("recover: " + cacheErr.Error()) // what follows meets the same caches
		return nil
	}
	return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("the links are right, but the caches may hold old code: %w", cacheErr)),
		`run "relink recover" again when the pools answer; a pool that was restarted since holds nothing old`)
}
