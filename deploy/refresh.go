package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/paths"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrNotMoved means that links do not lead where they are said to.
var ErrNotMoved = errors.New("not moved")

// Handover says from which release to which another tool moves links: their real folders.
type Handover struct {
	From, To string
	Named    bool // all of Options.Instances have moved; else those of them that lead to To
}

// Refresh does the cache work of a deploy for links that somebody else has moved:
// when it returns nil, no page is of the old release any more. These are the steps
// of a deploy without those that move: no lock and no journal, for the links are
// not relink's, and nothing to undo. An error that is exit.ErrUnverified came after
// the cut-over had begun.
func Refresh(ctx context.Context, o Options, d Deps, c Caches, h Handover) (outcome.Report, error) {
	r, err := newRun(o, d, journal.OperationRefresh)
	if err == nil {
		r.journal.Holder = lock.ThisProcess(r.Command)
		err = r.refresh(ctx, c, h)
	}
	return *r.report, r.conclude(err)
}

// refresh does not stop at a signal between "sweep" and "invalidate": half a
// cut-over would be worse than a slow one.
func (r *run) refresh(ctx context.Context, caches Caches, h Handover) error {
	s := r.inOrder()
	found := take(ctx, s, "preflight", r.lookAt(caches, h))
	began := time.Now()
	seen := take(ctx, s, "observe", r.observeMoved(found))
	if s.err != nil {
		return s.err
	}
	whole := context.WithoutCancel(ctx)
	s.do(whole, "sweep", r.sweep(seen))
	s.do(whole, "renew", r.renewMoved(ctx, seen))
	s.do(whole, "invalidate", r.endOld(seen.cut, began))
	if s.err != nil {
		return exit.As(exit.ErrUnverified, s.err)
	}
	return r.finishRefresh(ctx, found, seen)
}

// finishRefresh warms last: what nobody has warmed before the links moved, and what
// visitors have not asked for since.
func (r *run) finishRefresh(ctx context.Context, found handedOver, seen change) error {
	s := r.each()
	take(ctx, s, "settle", r.settle(seen, seen.plan))
	s.do(ctx, "retire", func(ctx context.Context) (string, error) { // others may be warming theirs
		return r.retireBy(ctx, seen.cut, slices.DeleteFunc(r.unused(), func(folder string) bool { return folder != found.From }))
	})
	s.do(ctx, "warm", r.warm(seen.cut))
	s.do(ctx, "restart", r.restart(seen.caches, r.report.Release))
	if ctx.Err() != nil {
		return r.interruptedLive(r.report.Release)
	}
	return exit.As(exit.ErrUnverified, errors.Join(s.err, paths.Divided(found.addressing, found.From, found.To, found.staying, found.elsewhere, found.returned)))
}

// handedOver is what another tool has left to be done.
type handedOver struct {
	server
	Handover
	plan      moves.Plan // of the links that lead to To
	staying   []string   // names of the links that still lead to From
	elsewhere []string   // of those that lead to another folder than To
	returned  bool       // To was in use before, and had been left
}

// lookAt tells what has moved, and asks the pools what that means for them.
func (r *run) lookAt(caches Caches, h Handover) step[handedOver] {
	return func(ctx context.Context) (found handedOver, summary string, err error) {
		if found, err = r.handedOver(h); err != nil {
			return found, "", err
		}
		found.caches = caches
		if found.addressing, err = r.addressing(ctx, found.server); err != nil {
			return found, "", err
		}
		if found.returned, err = returned(ctx, caches, h.To); err != nil {
			return found, "", err
		}
		r.report.Returned = found.returned
		found.pinned, err = caches.Pinned(ctx) // not refused: the links have moved
		return found, string(found.addressing), err
	}
}

// returned tells whether a folder was in use before in the life of these caches and
// was left: dead scripts of it are still listed.
func returned(ctx context.Context, caches Caches, folder string) (bool, error) {
	held, err := caches.Footprints(ctx, []string{folder})
	return held[folder].DeadScripts > 0, err
}

// handedOver tells the links that were moved from those that stay.
func (r *run) handedOver(h Handover) (handedOver, error) {
	found := handedOver{Handover: h}
	from, to := links.Release(h.From, r.App.RealReleases()), links.Release(h.To, r.App.RealReleases())
	r.report.Previous, r.report.Release = from, to
	for i, state := range apps.ReadLinks(r.Instances) {
		one := r.Instances[i]
		switch {
		case state.Kind == links.Good && links.Within(state.Real, h.To):
			old := h.From + strings.TrimPrefix(state.Real, h.To)
			found.plan = append(found.plan, moves.Move{Instance: one.Name, Link: one.Link, Place: state.Place(),
				From: moves.Target{Release: from, Literal: old, Real: old}, To: moves.Target{Release: to, Literal: state.Literal, Real: state.Real}})
		case h.Named:
			return found, hint.With(fmt.Errorf("%w: %s leads to %q, not to %s", ErrNotMoved, one.Link, state.Real, h.To), "move the link first, then run this command")
		}
	}
	if len(found.plan) == 0 {
		return found, hint.With(fmt.Errorf("%w: no configured link leads to %s", ErrNotMoved, h.To), "move the links first, or name those that were moved with --link")
	}
	r.report.Planned(found.plan)
	r.journal.Moves = found.plan
	staying, elsewhere := r.others(h)
	r.App.Known = append(slices.Clip(r.App.Known), staying...) // what they lead to is in use
	found.staying, found.elsewhere = r.App.NamesAt(staying), r.App.NamesAt(elsewhere)
	r.report.Staying = found.staying
	return found, nil
}

// others are the places of links that have not moved: those that still lead to
// From, and all that lead to another folder than To. They are found among the
// configured links, beside these, and in the folders above the two releases.
func (r *run) others(h Handover) (staying, elsewhere []string) {
	use := r.App.InUse()
	if use.Unread != nil {
		r.report.Warn("whether the old release is in use elsewhere is not known: " + use.Unread.Error())
	}
	for _, release := range []string{h.From, h.To} {
		maps.Copy(use.Links, links.Find(filepath.Dir(release), nil, nil).Links)
	}
	for _, place := range slices.Sorted(maps.Keys(use.Links)) {
		real := use.Links[place]
		if !opcache.Exists(real) || links.Within(real, h.To) {
			continue
		}
		elsewhere = append(elsewhere, place)
		if links.Within(real, h.From) {
			staying = append(staying, place)
		}
	}
	return staying, elsewhere
}

// observeMoved notes what is hot of the old release, which the links have left.
func (r *run) observeMoved(found handedOver) step[change] {
	return func(ctx context.Context) (seen change, summary string, err error) {
		seen.server, seen.plan = found.server, found.plan
		usage, err := found.caches.Usage(ctx)
		if err != nil {
			return seen, "", err
		}
		r.report.Memory.Before = outcome.MemoryOf(usage)
		var left []opcache.Link
		for _, move := range found.plan {
			left = append(left, opcache.Link{Name: move.Instance, Path: move.Link, From: move.From.Real, To: move.To.Real,
				FromRelease: found.From, ToRelease: found.To, Shared: len(found.staying) > 0})
		}
		if seen.cut, err = found.caches.Observe(ctx, left, found.addressing); err != nil {
			return seen, "", err
		}
		seen.cut.Except(found.pinned)
		seen.cut.ClearAPCu(r.APCu)
		return seen, ui.Plural(len(left), "link"), nil
	}
}

// renewMoved restarts the caches that cannot hold both releases, with what was hot of
// the old one warm in the new one. The links have moved already: until then the keys
// of the old release serve, as long as it takes to be quiet. A signal, which ends
// interrupted, ends only that wait.
func (r *run) renewMoved(interrupted context.Context, seen change) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		places, err := seen.cut.Room(ctx, nil)
		if err != nil {
			return "", err
		}
		first, instead := r.sortPlaces(places)
		orders := slices.Concat(first, instead)
		if len(orders) == 0 {
			return "", nil
		}
		outcome, err := r.restartNow(interrupted, seen.caches, r.ledger(), orders, r.occasion(seen.plan, r.unused()))
		switch {
		case err != nil && len(outcome.Masters) > 0:
			return "", err // it has begun, and failed
		case err != nil: // a slow site is better than an old one
			r.report.Warn("the cache was not restarted: " + err.Error())
			return "refused", nil
		case len(outcome.Masters) == 0:
			return "never quiet", nil
		}
		_, err = seen.cut.Room(ctx, nil) // for the warm
		return ui.Plural(len(orders), "cache") + " restarted", err
	}
}

// endOld is the cut-over where literal paths are looked at.
func (r *run) endOld(cut Switch, began time.Time) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		summary, last, err := r.invalidateBy(ctx, cut)
		r.report.CutoverMS = ui.Milliseconds(last.Sub(began))
		return summary, err
	}
}
