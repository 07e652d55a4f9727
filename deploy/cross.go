package deploy

import (
	"context"
	"errors"
	"sync"

	"relink/opcache/restart"
)

// cross moves the links, and has those processes end that cannot follow them.
func (r *run) cross(ready prepared) step[crossing] {
	return func(ctx context.Context) (done crossing, summary string, err error) {
		done.begun, err = r.crossBy(ctx, ready.change, ready.fit, func(context.Context) (err error) {
			done, summary, err = r.move(ready)
			return err
		})
		if done.begun && err == nil {
			summary = joined(summary, "PHP-FPM followed with new workers")
		}
		return done, summary, err
	}
}

// crossBy moves links, as the plan says, with what has to come with that. It tells
// whether that has begun.
func (r *run) crossBy(ctx context.Context, way change, need fit, move func(context.Context) error) (begun bool, err error) {
	if len(need.reloads) > 0 {
		begun, err = r.reloadWith(ctx, way, need, move)
	} else {
		err = move(ctx)
	}
	if err != nil || len(need.workers) == 0 {
		return begun, err
	}
	return true, r.endWorkers(ctx, way.caches, need.renewals)
}

// reloadWith moves the links right before the first reload, when all that the
// reload needs has been looked at: what a visitor asks of the new release between
// the two meets the functions and classes of the old one.
func (r *run) reloadWith(ctx context.Context, way change, need fit, move func(context.Context) error) (begun bool, err error) {
	once := sync.OnceValue(func() error {
		begun = true
		return move(ctx)
	})
	on := r.occasion(way.plan, r.unusedAfter(way.plan))
	on.Switch = func(context.Context) error { return once() }
	outcome, err := r.restartNow(ctx, way.caches, r.ledgerOfSwitch(), need.reloads, on)
	r.report.WarmedBy(outcome)
	switch {
	case err != nil:
		return begun, err
	case !begun:
		return false, errors.New("the FPM master that has to reload with the switch is not there any more")
	case len(need.instead) == 0:
		r.unexpect = nil // whoever restarts keeps the note from here on
	}
	return true, nil
}

// endWorkers comes before the invalidation: until that, the new workers serve the
// old scripts by their keys, and know the new .user.ini.
func (r *run) endWorkers(ctx context.Context, caches Caches, need renewals) error {
	_, _, err := caches.EndWorkers(ctx, need.workers)
	r.report.Ended(need.why)
	return err
}

// crossBack puts links back, with what has to come with that where it has begun.
// The links go back also where no master can be reached.
func (r *run) crossBack(ctx context.Context, way change, need fit, relink func() error) (linkErr, cacheErr error) {
	if way.caches == nil {
		return relink(), nil
	}
	relinked := false
	_, err := r.crossBy(ctx, way, need, func(context.Context) error {
		relinked, linkErr = true, relink()
		return linkErr
	})
	switch {
	case !relinked:
		return relink(), err
	case linkErr != nil:
		return linkErr, nil
	}
	return nil, err
}

// expectedRenewals are those of the interrupted deploy of the journal.
func (r *run) expectedRenewals() (fit, error) {
	pending, err := restart.ReadPending(r.App.State)
	if err != nil {
		return fit{}, err
	}
	need := fit{renewals: renewals{workers: r.journal.EndWorkers}}
	for _, p := range pending {
		if p.Renews() {
			need.reloads = append(need.reloads, p.Order())
		}
	}
	return need, nil
}

// finishRenewals does at once what an interrupted deploy left after its links had
// moved.
func (r *run) finishRenewals(ctx context.Context, seen change) error {
	need, err := r.expectedRenewals()
	if err != nil {
		return err
	}
	_, err = r.crossBy(ctx, seen, need, func(context.Context) error { return nil })
	return err
}
