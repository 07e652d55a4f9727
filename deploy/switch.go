package deploy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"relink/internal/ui"
	"relink/opcache"
)

// observe plans the moves and notes what the caches hold of the releases that
// the links lead to now.
func (r *run) observe(ctx context.Context) (string, error) {
	if err := r.planMoves(); err != nil {
		return "", err
	}
	switch {
	case r.Reset == ResetNever:
		r.report.warn("--reset never: OPcache keeps serving the old release under the links' names until PHP-FPM is restarted")
		return "the caches are left alone", nil
	case r.caches == nil:
		return "no pool, and no link yet", nil
	}
	usage, err := r.caches.Usage(ctx)
	if err != nil {
		return "", err
	}
	r.report.Memory.Before = memoryOf(usage)
	if r.cut, err = r.watchLinks(ctx, cacheLinks(r.plan, r.unsettled)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s in use of OPcache", ui.Bytes(r.report.Memory.Before.Used)), nil
}

func (r *run) planMoves() error {
	plan, err := PlanMoves(r.Instances, r.states, r.to, r.App.realReleases())
	if err != nil {
		return err
	}
	if err := r.fitViews(plan); err != nil {
		return err
	}
	for i := range plan {
		plan[i].Stays = r.staying[plan[i].Instance]
		r.nameContent(&plan[i].From)
		r.nameContent(&plan[i].To)
	}
	r.plan = plan
	r.report.planned(plan)
	return nil
}

func (r *run) watchLinks(ctx context.Context, links []opcache.Link) (Switch, error) {
	if r.caches == nil {
		return nil, nil
	}
	live, err := r.App.InUse()
	if err != nil {
		return nil, err
	}
	if err := r.findAddressing(ctx); err != nil { // recovery has not asked the sites
		return nil, err
	}
	cut, err := r.caches.Observe(ctx, inReleases(links, live), r.addressing)
	if err != nil {
		return nil, err
	}
	cut.Except(r.pinned)
	return cut, nil
}

// warm compiles the hot scripts of the new release. That it could not is worth
// a word, not a failed deploy: the visitors compile what is missing.
func (r *run) warm(ctx context.Context) (string, error) {
	switch {
	case r.cut == nil:
		return "", nil
	case r.Reset == ResetAlways:
		r.report.Warm.Skipped = "--reset always empties the cache afterwards"
		return r.report.Warm.Skipped, nil
	}
	update, end := r.progress("warm", "scripts")
	defer end()
	result, err := r.cut.Warm(ctx, update)
	r.report.Warm = WarmReport{Scripts: result.Scripts, Failed: append([]opcache.FailedScript{}, result.Failed...), Skipped: result.Skipped}
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		r.report.warn("warm: " + err.Error())
		return "stopped: " + err.Error(), nil
	}
	summary := fmt.Sprintf("%s, %d failed", ui.Plural(result.Scripts, "script"), len(result.Failed))
	if result.Skipped != "" { // room has told why, and what becomes of it
		summary += "; caches without room left out"
	}
	return summary, nil
}

func (r *run) beforeSwitch(ctx context.Context) (string, error) {
	commands := r.App.Hooks.BeforeSwitch
	return some(len(commands), "command"), r.hook(ctx, "before_switch", commands, r.release.Path)
}

// prepare does what can fail before the first rename: the new links under
// temporary names, and the journal, which from here on decides after a crash.
func (r *run) prepare(ctx context.Context) (summary string, err error) {
	moves := r.plan.Needed()
	if r.links, err = prepareLinks(moves, r.id, r.Reached); err != nil {
		return "", err
	}
	if err := r.prepareMap(); err != nil {
		return "", err
	}
	if orders := r.orders(); len(orders) > 0 { // a crash must not leave the new release without them
		if r.unexpect, err = r.caches.Expect(ctx, r.ledger(), orders); err != nil {
			return "", err
		}
	}
	r.journal.Release, r.journal.Moves, r.journal.Unsettled = r.release.ID, moves, r.unsettled
	r.journal.EndWorkers = r.renewals.workers
	return ui.Plural(len(moves), "link"), r.note(PhaseSwitching)
}

// move renames the links, and begins to make that durable: neither the sweep
// nor the invalidation waits for the disk.
func (r *run) move(context.Context) (string, error) {
	r.moved = time.Now()
	if err := r.links.move(); err != nil {
		return "", err
	}
	if err := r.switchMap(); err != nil {
		return "", err
	}
	r.switched = time.Now()
	synced := make(chan error, 1)
	go func() { synced <- r.makeDurable() }()
	r.synced = sync.OnceValue(func() error { return <-synced })
	return ui.Plural(len(r.links.moves), "link"), nil
}

func (r *run) makeDurable() error {
	if err := errors.Join(r.links.sync(), r.syncMap()); err != nil {
		return err
	}
	return r.note(PhaseMoved)
}

// sweep has every worker drop its realpath cache.
func (r *run) sweep(ctx context.Context) (string, error) {
	if r.addressing == opcache.Resolved { // nothing in a worker leads through a link
		return "", nil
	}
	return r.sweepBy(ctx, r.cut)
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
func (r *run) invalidate(ctx context.Context) (string, error) {
	summary, last, err := r.invalidateBy(ctx, r.cut)
	if err != nil {
		return "", err
	}
	if r.addressing == opcache.Resolved { // nothing is left to be done once they have moved
		last = r.switched
	}
	r.report.CutoverMS = milliseconds(last.Sub(r.moved))
	if err := r.synced(); err != nil {
		return "", err
	}
	return summary, r.note(PhaseCutOver)
}

func (r *run) invalidateBy(ctx context.Context, cut Switch) (summary string, last time.Time, err error) {
	if cut == nil {
		return "", time.Now(), nil
	}
	result, err := cut.Invalidate(ctx)
	r.report.Invalidated = result.Invalidated
	for _, failed := range result.Failed {
		r.report.warn(fmt.Sprintf("not invalidated: %s: %s", failed.Path, failed.Reason))
	}
	return some(result.Invalidated, "script"), result.Last, err
}

func memoryOf(usage []opcache.Usage) *Memory {
	sum := opcache.Sum(usage)
	return &Memory{Used: sum.UsedBytes, Free: sum.FreeBytes, Wasted: sum.WastedBytes}
}
