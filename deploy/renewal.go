package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache/restart"
)

// ErrRenewal: the switch needs new PHP processes, which cannot be had.
var ErrRenewal = errors.New("PHP-FPM cannot follow the switch")

// renewals are what the switch needs beside the sweep and the invalidation: what
// PHP-FPM remembers until its processes end.
type renewals struct {
	reloads []restart.Order // of masters, in the same moment as the links move
	workers []string        // addresses of the pools whose workers end right after that
	why     []string        // in words
}

func (n renewals) describe() string {
	var parts []string
	if len(n.reloads) > 0 {
		parts = append(parts, "PHP-FPM will reload with the switch")
	}
	if len(n.workers) > 0 {
		parts = append(parts, "the workers of "+ui.Plural(len(n.workers), "pool")+" will end with the switch")
	}
	return ui.Joined("; ", parts...)
}

// findRenewals asks each FPM master, before anything moves, whether it can
// follow the links without new processes, and whether it would survive a reload.
func (r *run) findRenewals(ctx context.Context, seen change) (need renewals, err error) {
	all, err := seen.cut.Renewals(ctx, r.App.Sites(seen.plan))
	if err != nil {
		return need, fmt.Errorf("nothing was changed: %w", err)
	}
	for _, one := range all {
		switch one.Action {
		case restart.ReloadFPM, restart.ReloadApache:
			need.reloads = append(need.reloads, one.Order)
		case restart.EndWorkers:
			need.workers = append(need.workers, one.Pools...)
			need.why = append(need.why, one.Texts()...)
		}
		for _, note := range one.Notes {
			r.report.Warn(note)
		}
	}
	return need, nil
}

// rehearseRenewals makes sure that the reloads may be done, and waits until it is
// quiet enough for them: once the links have moved each page of the new release
// fails until the reload, so that nothing is waited for then.
func rehearseRenewals(ctx context.Context, caches Caches, need renewals) error {
	if len(need.reloads) == 0 {
		return nil
	}
	err := caches.Rehearse(ctx, need.reloads)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	}
	var why []string
	for _, order := range need.reloads {
		why = append(why, order.Decision.Texts()...)
	}
	err = fmt.Errorf("nothing was changed: %w: it has to reload with the switch, because %s: %w", ErrRenewal, strings.Join(why, "; "), err)
	if errors.Is(err, restart.ErrNotQuiet) {
		return hint.With(err, "deploy again when nothing speaks against the reload")
	}
	return hint.With(err, "to do it by hand, move the links alone with --reset never, and restart PHP-FPM right after that")
}

// wouldRenew names the reloads that will come with the switch, as far as they are
// known before there is a release, and tells whether there are any.
func (r *run) wouldRenew(ctx context.Context, plan moves.Plan) (reloads bool, err error) {
	if r.Reset == journal.ResetNever || r.Glance == nil {
		return false, nil
	}
	caches, err := r.Glance(ctx)
	if err == nil && caches == nil {
		outcome.Would(r.report, "reload PHP-FPM or end its workers with the switch, if opcache.preload or a .user.ini needs it: nobody can tell before the agent is installed")
	}
	if err != nil || caches == nil {
		return false, err
	}
	all, err := caches.Preloads(ctx, r.App.Sites(plan))
	for _, one := range all {
		if one.Reloads() {
			who := "PHP-FPM"
			if one.Action == restart.ReloadApache {
				who = "Apache"
			}
			reloads = true
			outcome.Would(r.report, "reload %s (%s) with the switch: %s", who, one.Pools[0], strings.Join(one.Texts(), "; "))
		}
	}
	return reloads, err
}

// cross moves the links, and has those processes end that cannot follow them.
func (r *run) cross(ready prepared) step[crossing] {
	return func(ctx context.Context) (done crossing, summary string, err error) {
		done.begun, err = r.crossBy(ctx, ready.change, ready.fit, func(context.Context) (err error) {
			done, summary, err = r.move(ready)
			return err
		})
		if done.begun && err == nil {
			summary = ui.Joined("; ", summary, "PHP-FPM followed with new workers")
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
			need.reloads = append(need.reloads, p.Order)
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
