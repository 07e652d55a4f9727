package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache/restart"
)

// ErrNoRoom: the caches would hold the new release only after a restart, which
// could not be done.
var ErrNoRoom = errors.New("OPcache has no room for the new release")

// fit tells what the new release needs beside the sweep and the invalidation.
type fit struct {
	renewals
	instead []restart.Order // restarts for room that come right after the switch
}

// orders are all restarts that come with the switch.
func (f fit) orders() []restart.Order {
	return slices.Concat(f.reloads, f.instead)
}

// withdraw takes back that restarts are pending, where none has begun.
func (r *run) withdraw() error {
	if r.unexpect == nil {
		return nil
	}
	defer func() { r.unexpect = nil }()
	return r.unexpect()
}

// room checks, per cache, whether the new release fits beside the old one. Where it
// does not, the cache restarts now or with the switch, which is decided here, before
// anything moves: in a full cache the new release would run uncached, and PHP
// restart the cache by itself.
func (r *run) room(seen change) step[fit] {
	return func(ctx context.Context) (need fit, summary string, err error) {
		if seen.cut == nil {
			return need, "", nil
		}
		if need.renewals, err = r.findRenewals(ctx, seen); err != nil || r.Reset == journal.ResetAlways {
			return need, need.renewals.describe(), err
		}
		unused := r.unusedBefore(seen.plan)
		places, err := seen.cut.Room(ctx, unused)
		if err != nil {
			return need, "", err
		}
		first, instead := r.sortPlaces(places)
		need.instead = instead
		if len(first) > 0 {
			if err := r.makeRoom(ctx, seen.caches, first, Occasion{Unused: unused}); err != nil {
				return need, "", err
			}
			if _, err := seen.cut.Room(ctx, unused); err != nil { // for the warm
				return need, "", err
			}
		}
		return need, ui.Joined("; ", need.renewals.describe(), describeRoom(len(first), len(instead))), nil
	}
}

// sortPlaces are the restarts for room: those to be done before the switch, and
// those that have to come with it.
func (r *run) sortPlaces(places []restart.CacheFit) (first, instead []restart.Order) {
	for _, place := range places {
		switch place.Fit {
		case restart.FitsAfterRestart:
			first = append(first, place.Order)
		case restart.FitsAfterSwitch:
			instead = append(instead, place.Order)
		case restart.NoFit:
			r.report.Warn("OPcache of " + place.Pools[0] + " has no room for the new release: " + strings.Join(place.Texts(), "; "))
		}
	}
	return first, instead
}

func describeRoom(first, instead int) string {
	switch {
	case first+instead == 0:
		return ""
	case instead == 0:
		return ui.Plural(first, "cache") + " restarted to make room"
	}
	return ui.Plural(instead, "cache") + " will restart with the switch"
}

// makeRoom restarts caches while the old release is live everywhere.
func (r *run) makeRoom(ctx context.Context, caches Caches, orders []restart.Order, on Occasion) error {
	outcome, err := r.restartNow(ctx, caches, r.ledger(), orders, on)
	switch {
	case len(outcome.Pending) > 0:
		return r.withoutRestart(errors.New(outcome.Pending[0].Last))
	case err != nil && len(outcome.Masters) == 0 && ctx.Err() == nil:
		return r.withoutRestart(err)
	}
	return err
}

// restartNow carries out restarts that are part of the deploy.
func (r *run) restartNow(ctx context.Context, caches Caches, queue restart.Queue, orders []restart.Order, on Occasion) (restart.Outcome, error) {
	outcome, err := caches.Restart(ctx, queue, orders, on)
	result := restart.MaintenanceResult{Outcome: outcome, Decisions: orders}
	r.report.Restarted(result)
	return outcome, err
}

func (r *run) ledger() restart.Queue {
	return restart.Queue{Dir: r.App.State, By: r.journal.Holder.User, Deploy: r.journal.App}
}

// ledgerOfSwitch is for restarts that a switch consists of.
func (r *run) ledgerOfSwitch() restart.Queue {
	queue := r.ledger()
	queue.Switch = true
	return queue
}

// withoutRestart is an error unless the deploy is forced.
func (r *run) withoutRestart(why error) error {
	return r.unlessForced(hint.With(fmt.Errorf("%w without a restart: %w", ErrNoRoom, why),
		"deploy again when nothing speaks against the restart; --force goes on without it, and the site is slow until OPcache restarts; a larger opcache.memory_consumption spares it (relink opcache report)"),
		"OPcache has no room for the new release, and could not be restarted: "+why.Error())
}

// quiet waits, where a cache has to restart with the switch, until nothing speaks
// against that. Until then the old release serves at its usual speed.
func (r *run) quiet(caches Caches, need fit) step[fit] {
	return func(ctx context.Context) (fit, string, error) {
		if err := rehearseRenewals(ctx, caches, need.renewals); err != nil || len(need.instead) == 0 {
			return need, "", err
		}
		err := caches.Rehearse(ctx, need.instead)
		switch {
		case ctx.Err() != nil:
			return need, "", ctx.Err()
		case err != nil:
			need.instead = nil
			return need, "", r.withoutRestart(err)
		}
		return need, "", nil
	}
}

// renewWait is for a quiet moment once the links have moved. It was quiet right
// before, and no signal ends this wait.
const renewWait = 20 * time.Second

// renew restarts, right after the links have moved, the caches that cannot hold
// both releases, with the new one warm. Until then the keys of the old one serve.
func (r *run) renew(ready prepared) step[bool] {
	return func(ctx context.Context) (begun bool, summary string, err error) {
		if len(ready.fit.instead) == 0 {
			return false, "", nil
		}
		return r.renewInto(ctx, ready.change, ready.fit)
	}
}

func (r *run) renewInto(ctx context.Context, seen change, need fit) (begun bool, summary string, err error) {
	on := r.occasion(seen.plan, r.unused())
	on.Wait = renewWait
	r.unexpect = nil
	outcome, err := r.restartNow(ctx, seen.caches, r.ledgerOfSwitch(), need.instead, on)
	r.report.WarmedBy(outcome)
	if len(outcome.Pending) > 0 {
		return true, "never quiet", err
	}
	return true, ui.Plural(len(need.instead), "cache") + " restarted", err
}

// occasion tells a restart where the hot scripts of the releases that nobody uses
// after the moves are warm again.
func (r *run) occasion(plan moves.Plan, unused []string) Occasion {
	moved := map[string]string{}
	for _, move := range plan.Needed() {
		if from := r.App.ReleaseDir(move.From.Release); move.From.Exists() && move.To.Exists() && slices.Contains(unused, from) {
			moved[from] = r.App.ReleaseDir(move.To.Release)
		}
	}
	return Occasion{Unused: unused, Moved: moved}
}

// renewLeft does the restarts that a deploy died before, while the keys of the
// old release still serve: once those are gone, the new one runs uncached.
func (r *run) renewLeft(ctx context.Context, seen change) error {
	pending, err := restart.ReadPending(r.App.State)
	if err != nil || len(pending) == 0 {
		return err
	}
	usages, err := seen.caches.Usage(ctx)
	if err != nil {
		return err
	}
	var need fit
	for _, p := range pending {
		if p.MakesRoom() && p.StillWanted(usages) {
			need.instead = append(need.instead, p.Order)
		}
	}
	if len(need.instead) > 0 {
		_, _, err = r.renewInto(ctx, seen, need)
	}
	return err
}

// unusedBefore lists, before the links move, the releases that nobody uses and
// that are not to be used.
func (r *run) unusedBefore(plan moves.Plan) []string {
	taken := map[string]bool{}
	for _, move := range plan {
		taken[links.Folder(move.To.Real, r.store.Dir())] = true
	}
	return slices.DeleteFunc(r.unused(), func(folder string) bool { return taken[folder] })
}
