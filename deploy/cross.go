package deploy

import (
	"context"
	"errors"
	"sync"

	"relink/opcache"
)

// cross moves the links, and has those processes end that cannot follow them.
func (r *run) cross(ctx context.Context) (summary string, err error) {
	err = r.crossBy(ctx, r.plan, func(ctx context.Context) error {
		summary, err = r.move(ctx)
		return err
	})
	if r.renewals.begun && err == nil {
		summary = joined(summary, "PHP-FPM followed with new workers")
	}
	return summary, err
}

// crossBy moves links, as the plan says, with what has to come with that.
func (r *run) crossBy(ctx context.Context, plan Plan, move func(context.Context) error) error {
	if len(r.renewals.reloads) > 0 {
		return r.reloadWith(ctx, plan, move)
	}
	if err := move(ctx); err != nil || len(r.renewals.workers) == 0 {
		return err
	}
	return r.endWorkers(ctx)
}

// reloadWith moves the links right before the first reload, when all that the
// reload needs has been looked at: what a visitor asks of the new release between
// the two meets the functions and classes of the old one.
func (r *run) reloadWith(ctx context.Context, plan Plan, move func(context.Context) error) error {
	unused, err := r.unusedAfter(plan)
	if err != nil {
		return err
	}
	once := sync.OnceValue(func() error {
		r.renewals.begun = true
		return move(ctx)
	})
	on := Occasion{Unused: unused, Moved: r.movedTo(plan, unused), Switch: func(context.Context) error { return once() }}
	outcome, err := r.restartNow(ctx, r.renewals.reloads, on)
	r.report.warmedBy(outcome)
	switch {
	case err != nil:
		return err
	case !r.renewals.begun:
		return errors.New("the FPM master that has to reload with the switch is not there any more")
	case len(r.instead) == 0:
		r.unexpect = nil
	}
	if len(r.renewals.workers) == 0 {
		return nil
	}
	return r.endWorkers(ctx)
}

// endWorkers comes before the invalidation: until that, the new workers serve the
// old scripts by their keys, and know the new .user.ini.
func (r *run) endWorkers(ctx context.Context) error {
	r.renewals.begun = true
	_, _, err := r.caches.EndWorkers(ctx, r.renewals.workers)
	r.report.ended(r.renewals.why)
	return err
}

func (r *Report) ended(why []string) {
	if r.Restart.Action == string(opcache.None) {
		r.Restart.Action = string(opcache.EndWorkers)
	}
	r.Restart.Reasons = append(r.Restart.Reasons, why...)
}

// crossBack puts links back, with what has to come with that where it has begun.
// The links go back also where no master can be reached.
func (r *run) crossBack(ctx context.Context, back, all Plan) (linkErr, cacheErr error) {
	if !r.renewals.begun || r.caches == nil {
		return r.relinkNow(back), nil
	}
	relinked := false
	err := r.crossBy(ctx, all, func(context.Context) error {
		relinked, linkErr = true, r.relinkNow(back)
		return linkErr
	})
	switch {
	case !relinked:
		return r.relinkNow(back), err
	case linkErr != nil:
		return linkErr, nil
	}
	return nil, err
}

// orders are all restarts that come with the switch.
func (r *run) orders() []opcache.Order {
	return append(append([]opcache.Order{}, r.renewals.reloads...), r.instead...)
}

// expectedRenewals are those of an interrupted deploy: nobody knows whether they
// had begun.
func (r *run) expectedRenewals(left Journal) error {
	pending, err := opcache.ReadPending(r.App.State)
	if err != nil {
		return err
	}
	r.renewals = renewals{workers: left.EndWorkers, begun: true}
	for _, p := range pending {
		if p.Renews() {
			r.renewals.reloads = append(r.renewals.reloads, p.Order())
		}
	}
	return nil
}

// finishRenewals does at once what an interrupted deploy left after its links had
// moved.
func (r *run) finishRenewals(ctx context.Context, left Journal) error {
	if left.Phase == PhaseSettled {
		return nil
	}
	if err := r.expectedRenewals(left); err != nil {
		return err
	}
	nothing := func(context.Context) error { return nil }
	err := r.crossBy(ctx, left.Moves, nothing)
	r.renewals = renewals{} // what follows is about another switch
	return err
}
