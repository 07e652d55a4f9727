package deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/paths"
	"relink/deploy/webmap"
	"relink/internal/ui"
	"relink/opcache"
)

// observe plans the moves and notes what the caches hold of the releases that
// the links lead to now.
func (r *run) observe(found server, goals []moves.Goal) step[change] {
	return func(ctx context.Context) (seen change, summary string, err error) {
		seen.server = found
		if seen.plan, err = r.planMoves(found, goals); err != nil {
			return seen, "", err
		}
		switch {
		case r.Reset == journal.ResetNever:
			r.report.Warn("--reset never: OPcache keeps serving the old release under the links' names until PHP-FPM is restarted")
			if r.APCu {
				r.report.Warn("--reset never: APCu is not cleared either")
			}
			return seen, "the caches are left alone", nil
		case found.caches == nil:
			return seen, "no pool, and no link yet", nil
		}
		usage, err := found.caches.Usage(ctx)
		if err != nil {
			return seen, "", err
		}
		r.report.Memory.Before = outcome.MemoryOf(usage)
		if seen.cut, err = r.watch(ctx, found, moves.CacheLinks(seen.plan, r.journal.Unsettled)); err != nil {
			return seen, "", err
		}
		return seen, fmt.Sprintf("%s in use of OPcache", ui.Bytes(r.report.Memory.Before.Used)), nil
	}
}

// planMoves is what brings the instances to their goals.
func (r *run) planMoves(found server, goals []moves.Goal) (moves.Plan, error) {
	plan, err := moves.New(goals)
	if err != nil {
		return nil, err
	}
	if err := r.fitViews(plan, found); err != nil {
		return nil, err
	}
	names := paths.NewContents(r.store)
	for i := range plan {
		names.Complete(&plan[i].From)
		names.Complete(&plan[i].To)
	}
	r.report.Planned(plan)
	return plan, nil
}

// watch has the caches look at the links that move.
func (r *run) watch(ctx context.Context, found server, moving []opcache.Link) (Switch, error) {
	if found.caches == nil {
		return nil, nil
	}
	live := r.App.InUse()
	addressing, err := r.addressing(ctx, found) // recovery has not asked the sites
	if err != nil {
		return nil, err
	}
	cut, err := found.caches.Observe(ctx, moves.InReleases(moving, live), addressing)
	if err != nil {
		return nil, err
	}
	cut.Except(found.pinned)
	cut.ClearAPCu(r.APCu)
	return cut, nil
}

// warm compiles the hot scripts of the new release. That it could not is worth
// a word, not a failed deploy: the visitors compile what is missing.
func (r *run) warm(cut Switch) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		switch {
		case cut == nil:
			return "", nil
		case r.Reset == journal.ResetAlways:
			r.report.Warm.Skipped = "--reset always empties the cache afterwards"
			return r.report.Warm.Skipped, nil
		}
		summary, err := r.warmBy(ctx, cut)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil:
			r.report.Warn("warm: " + err.Error())
			return "stopped: " + err.Error(), nil
		}
		return summary, nil
	}
}

func (r *run) warmBy(ctx context.Context, cut Switch) (summary string, err error) {
	update, end := r.Screen.Following("warm", "scripts")
	defer end()
	result, err := cut.Warm(ctx, update)
	result.Failed = append([]opcache.FailedScript{}, result.Failed...)
	r.report.Warm = result
	summary = fmt.Sprintf("%s compiled, %s in the cache already, %d failed", ui.Plural(result.Scripts-result.Cached, "script"), ui.Count(result.Cached), len(result.Failed))
	if result.Skipped != "" { // room has told why, and what becomes of it
		summary += "; caches without room left out"
	}
	return summary, err
}

// prepared is all that the switch needs, and its undoing.
type prepared struct {
	change
	fit    fit
	links  *moves.Prepared // nil: none
	webmap *webmap.Staged  // the new map of Apache; nil: none
}

// discard removes what was not put in place.
func (p prepared) discard() error {
	var failed []error
	if p.links != nil {
		failed = append(failed, p.links.Discard())
	}
	if p.webmap != nil {
		failed = append(failed, p.webmap.Discard())
	}
	return errors.Join(failed...)
}

// prepare does what can fail before the first rename: the new links under
// temporary names, and the journal, which from here on decides after a crash.
func (r *run) prepare(to coming, seen change, need fit) step[prepared] {
	return func(ctx context.Context) (ready prepared, summary string, err error) {
		ready = prepared{change: seen, fit: need}
		needed := seen.plan.Needed()
		if ready.links, err = moves.Prepare(needed, r.id, r.Reached); err != nil {
			return ready, "", err
		}
		if ready.webmap, err = webmap.PrepareFor(r.App, seen.plan); err != nil {
			return ready, "", err
		}
		if err := moves.Unchanged(needed); err != nil {
			return ready, "", err
		}
		if orders := need.orders(); len(orders) > 0 { // a crash must not leave the new release without them
			if r.unexpect, err = seen.caches.Expect(ctx, r.ledger(), orders); err != nil {
				return ready, "", err
			}
		}
		r.journal.Release, r.journal.Moves, r.journal.EndWorkers = to.release.ID, needed, need.workers
		if err := r.note(journal.PhaseSwitching); err != nil {
			return ready, "", err
		}
		return ready, ui.Plural(len(needed), "link"), r.reserve()
	}
}

// crossing is how far the switch has come.
type crossing struct {
	first  time.Time    // when the first link moved; with a map, when it did
	last   time.Time    // when all had; zero: not yet
	synced func() error // waits until all moves are durable; nil: not yet
	begun  bool         // processes that cannot follow the links are being replaced
	full   bool         // and caches that cannot hold both releases restarted
}

// move renames the links, and begins to make that durable: neither the sweep
// nor the invalidation waits for the disk.
func (r *run) move(ready prepared) (done crossing, summary string, err error) {
	done.first = time.Now()
	if err := ready.links.Move(); err != nil {
		return done, "", err
	}
	if ready.webmap != nil {
		if ready.addressing == opcache.Resolved {
			done.first = time.Now()
		}
		// The links are for shells and cron: where the web server goes by the map this is the
		// cut-over, of all instances at once, and what fails before it has changed nothing.
		if err := ready.webmap.Commit(); err != nil {
			return done, "", err
		}
		r.Reached("moved the map")
	}
	done.last = time.Now()
	synced := make(chan error, 1)
	go func() { synced <- r.makeDurable(ready) }()
	done.synced = sync.OnceValue(func() error { return <-synced })
	return done, ui.Plural(len(ready.plan.Needed()), "link"), nil
}

func (r *run) makeDurable(ready prepared) error {
	err := ready.links.Sync()
	if ready.webmap != nil {
		err = errors.Join(err, ready.webmap.Sync())
	}
	if err != nil {
		return err
	}
	return r.note(journal.PhaseMoved)
}

// sweep has every worker drop its realpath cache.
func (r *run) sweep(seen change) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if seen.addressing == opcache.Resolved { // nothing in a worker leads through a link
			return "", nil
		}
		return r.sweepBy(ctx, seen.cut)
	}
}

func (r *run) sweepBy(ctx context.Context, cut Switch) (string, error) {
	if cut == nil {
		return "", nil
	}
	result, err := cut.Sweep(ctx)
	r.report.Sweep.Pools, r.report.Sweep.Workers = result.Pools, result.Workers
	return fmt.Sprintf("%s, %d busy", ui.Plural(result.Workers, "worker"), len(result.Busy)), err
}

// invalidate is the cut-over.
func (r *run) invalidate(seen change, done crossing) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		summary, last, err := r.invalidateBy(ctx, seen.cut)
		if err != nil {
			return "", err
		}
		if seen.addressing == opcache.Resolved { // nothing is left to be done once they have moved
			last = done.last
		}
		r.report.CutoverMS = ui.Milliseconds(last.Sub(done.first))
		if err := done.synced(); err != nil {
			return "", err
		}
		return summary, r.note(journal.PhaseCutOver)
	}
}

func (r *run) invalidateBy(ctx context.Context, cut Switch) (summary string, last time.Time, err error) {
	if cut == nil {
		return "", time.Now(), nil
	}
	result, err := cut.Invalidate(ctx)
	r.report.Invalidated, r.report.APCu = result.Invalidated, r.report.APCu.And(result.APCu)
	for _, failed := range result.Failed {
		r.report.Warn(fmt.Sprintf("not invalidated: %s: %s", failed.Path, failed.Reason))
	}
	return ui.PluralOrNone(result.Invalidated, "script"), result.Last, err
}
