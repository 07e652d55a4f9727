package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
)

// Prune removes the releases that are neither live nor kept. It first has every
// worker end the request that it is in, so that none is in use, and drops what
// OPcache holds of them: PHP 7.4 cannot invalidate a file that is gone.
func Prune(ctx context.Context, o Options, d Deps) (outcome.Pruned, error) {
	var removed []release.Release
	report, err := operate(ctx, o, d, journal.OperationPrune, func(r *run, ctx context.Context) (err error) {
		removed, err = r.pruneAlone(ctx)
		return err
	}, func(r *run, _ context.Context) (err error) {
		removed, err = r.removable(nil, nil)
		return err
	})
	return outcome.PrunedBy(report, removed, err), err
}

func (r *run) pruneAlone(ctx context.Context) ([]release.Release, error) {
	left, err := journal.Read(r.App.JournalFile())
	if err != nil {
		return nil, err
	}
	if left != nil {
		return nil, hint.With(fmt.Errorf("an earlier %s of %s is not finished", left.Operation, left.Release), `run "relink recover" first`)
	}
	removable, err := r.removable(nil, nil)
	if err != nil || len(removable) == 0 {
		return nil, err
	}
	s := r.inOrder()
	found := take(ctx, s, "settle", r.emptied(removable))
	if s.err != nil {
		return nil, s.err
	}
	removed, err := r.remove(ctx, found.caches, removable)
	return removed, errors.Join(err, r.giveUpSlots(ctx, found))
}

// giveUpSlots removes the slots that releases have left for good, once the set-up has no
// use for them: it was another one when they were made.
func (r *run) giveUpSlots(ctx context.Context, found server) error {
	if found.caches == nil || found.addressing != opcache.Keyed {
		return nil
	}
	return r.gently(ctx, r.slots(found, nil).GiveUp)
}

// remove tells which are gone, also where it fails. What file caches keep of them goes too.
func (r *run) remove(ctx context.Context, caches Caches, removable []release.Release) (removed []release.Release, err error) {
	err = r.gently(ctx, func(ctx context.Context) error {
		for i, one := range removable {
			if err := r.store.Remove(ctx, one.ID); err != nil {
				return err
			}
			removed = removable[:i+1]
		}
		if caches == nil {
			return nil
		}
		r.report.CleanedFiles(caches.CleanFiles(ctx, r.App.RealReleases()))
		return ctx.Err()
	})
	return removed, err
}

// emptied proves that no request runs on the releases and that no cache holds them.
func (r *run) emptied(removable []release.Release) step[server] {
	return func(ctx context.Context) (found server, summary string, err error) {
		if r.Force {
			return found, "not proven: --force", nil
		}
		found, err = r.connect(ctx, nil)
		if err != nil {
			return found, "", hint.With(err, "or prune with --force: then a request that is still on an old release may fail")
		}
		cut, err := r.watch(ctx, found, nil)
		if err != nil || cut == nil {
			return found, "", err
		}
		_, summary, err = r.settleBy(ctx, change{server: found, cut: cut}, nil)
		if err != nil {
			return found, "", hint.With(err, "try again later, or prune with --force: then that request may fail")
		}
		folders := make([]string, len(removable))
		for i, one := range removable {
			folders[i] = one.Path
		}
		_, err = cut.Retire(ctx, links.OutsideSlots(folders))
		return found, summary, err
	}
}

// removable is what may go, in the order to remove it, once the plan of a dry run is
// carried out. Not those are that a worker may still be on which has not been reached
// since the links left them.
func (r *run) removable(plan, unsettled moves.Plan) ([]release.Release, error) {
	live := r.App.InUseAfter(plan)
	if live.Unread != nil {
		return nil, hint.With(fmt.Errorf("no release is removed, since a link that cannot be read may lead to any: %w", live.Unread), "mend or remove the link")
	}
	releases, err := r.store.List()
	if err != nil {
		return nil, err
	}
	history, err := journal.ReadPast(r.App.HistoryFile())
	if err != nil {
		return nil, err
	}
	if r.DryRun {
		history.Add(journal.Event{Operation: r.report.Operation, Moves: plan})
		for _, id := range r.madeAnew() {
			releases = slices.Insert(releases, 0, release.Release{Manifest: release.Manifest{ID: id, Created: r.began}, Sealed: true})
		}
	}
	return release.Prunable(releases, live.IDs(), moves.LeftBy(unsettled), r.planner().WayBack(history, plan), r.App.Keep), nil
}

// pruneAfter tidies up after a deploy, and never fails it.
func (r *run) pruneAfter(ctx context.Context, found server, unsettled moves.Plan) {
	s := r.inOrder()
	s.do(ctx, "prune", func(ctx context.Context) (string, error) {
		removable, err := r.removable(nil, unsettled)
		if err == nil {
			removable, err = r.remove(ctx, found.caches, removable)
		}
		err = errors.Join(err, r.giveUpSlots(ctx, found), r.store.Kept().Sweep()) // a turn leaves what nobody may need
		for _, one := range removable {
			r.report.Pruned = append(r.report.Pruned, one.ID)
		}
		return ui.PluralOrNone(len(removable), "release"), err
	})
	if s.err != nil {
		r.report.Warn(s.err.Error())
	}
}
