package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrNoRoom: the caches would hold the new release only after a restart, which
// could not be done.
var ErrNoRoom = errors.New("OPcache has no room for the new release")

// room sees to it that the new release finds its place in the caches. Where a
// restart has to make it, that is decided here, before anything moves: in a full
// cache the new release would run uncached, and PHP restart the cache by itself.
func (r *run) room(ctx context.Context) (string, error) {
	if r.cut == nil {
		return "", nil
	}
	if err := r.decideRenewals(ctx); err != nil || r.Reset == ResetAlways {
		return r.renewals.describe(), err
	}
	unused, err := r.unusedBefore()
	if err != nil {
		return "", err
	}
	places, err := r.cut.Room(ctx, unused)
	if err != nil {
		return "", err
	}
	var before []opcache.Order
	for _, place := range places {
		switch place.Room {
		case opcache.RoomAfter:
			before = append(before, place.Order())
		case opcache.RoomInstead:
			r.instead = append(r.instead, place.Order())
		case opcache.RoomNone:
			r.report.warn("OPcache of " + place.Pools[0] + " has no room for the new release: " + strings.Join(place.Texts(), "; "))
		}
	}
	if len(before) > 0 {
		if err := r.makeRoom(ctx, before, Occasion{Unused: unused}); err != nil {
			return "", err
		}
		if _, err := r.cut.Room(ctx, unused); err != nil { // for the warm
			return "", err
		}
	}
	return joined(r.renewals.describe(), describeRoom(len(before), len(r.instead))), nil
}

func describeRoom(before, instead int) string {
	switch {
	case before+instead == 0:
		return ""
	case instead == 0:
		return ui.Plural(before, "cache") + " restarted to make room"
	}
	return ui.Plural(instead, "cache") + " will restart with the switch"
}

// makeRoom restarts caches while the old release is live everywhere.
func (r *run) makeRoom(ctx context.Context, orders []opcache.Order, on Occasion) error {
	outcome, err := r.restartNow(ctx, orders, on)
	switch {
	case len(outcome.Pending) > 0:
		return r.withoutRestart(errors.New(outcome.Pending[0].Last))
	case err != nil && len(outcome.Masters) == 0 && ctx.Err() == nil:
		return r.withoutRestart(err)
	}
	return err
}

// restartNow carries out restarts that are part of the deploy.
func (r *run) restartNow(ctx context.Context, orders []opcache.Order, on Occasion) (opcache.Outcome, error) {
	outcome, err := r.caches.Restart(ctx, r.ledger(), orders, on)
	result := opcache.UpkeepResult{Outcome: outcome}
	for _, order := range orders {
		result.Decisions = append(result.Decisions, opcache.Decided{Pools: order.Pools, Decision: order.Decision})
	}
	r.report.restarted(result)
	return outcome, err
}

func (r *run) ledger() opcache.Ledger {
	return opcache.Ledger{Dir: r.App.State, By: r.journal.Holder.User}
}

// withoutRestart is an error unless the deploy is forced.
func (r *run) withoutRestart(why error) error {
	if r.Force {
		r.report.warn("OPcache has no room for the new release, and could not be restarted: " + why.Error())
		return nil
	}
	return hint.With(fmt.Errorf("%w without a restart: %w", ErrNoRoom, why),
		"deploy again when nothing speaks against the restart; --force goes on without it, and the site is slow until OPcache restarts; a larger opcache.memory_consumption spares it (relink opcache report)")
}

// quiet waits, where a cache has to restart with the switch, until nothing speaks
// against that. Until then the old release serves at its usual speed.
func (r *run) quiet(ctx context.Context) (string, error) {
	if err := r.rehearseRenewals(ctx); err != nil || len(r.instead) == 0 {
		return "", err
	}
	err := r.caches.Rehearse(ctx, r.instead)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		r.instead = nil
		return "", r.withoutRestart(err)
	}
	return "", nil
}

// renewWait is for a quiet moment once the links have moved. It was quiet right
// before, and no signal ends this wait.
const renewWait = 20 * time.Second

// renew restarts, right after the links have moved, the caches that cannot hold
// both releases, with the new one warm. Until then the keys of the old one serve.
func (r *run) renew(ctx context.Context) (string, error) {
	if len(r.instead) == 0 {
		return "", nil
	}
	return r.renewInto(ctx, r.plan)
}

func (r *run) renewInto(ctx context.Context, plan Plan) (string, error) {
	unused, err := r.unused()
	if err != nil {
		return "", err
	}
	on := Occasion{Unused: unused, Moved: r.movedTo(plan, unused), Wait: renewWait}
	r.renewed, r.unexpect = true, nil
	outcome, err := r.restartNow(ctx, r.instead, on)
	r.report.warmedBy(outcome)
	if len(outcome.Pending) > 0 {
		return "never quiet", err
	}
	return ui.Plural(len(r.instead), "cache") + " restarted", err
}

// movedTo tells where the hot scripts of the releases that nobody uses after the
// moves are warm again.
func (r *run) movedTo(plan Plan, unused []string) map[string]string {
	moved := map[string]string{}
	for _, move := range plan.Needed() {
		if from := r.App.releaseDir(move.From.Release); move.From.Exists() && move.To.Exists() && slices.Contains(unused, from) {
			moved[from] = r.App.releaseDir(move.To.Release)
		}
	}
	return moved
}

func (r *Report) warmedBy(outcome opcache.Outcome) {
	for _, m := range outcome.Masters {
		r.Warm.Scripts += m.Warm.Scripts
		r.Warm.Failed = append(r.Warm.Failed, m.Warm.Failed...)
		r.Warm.Skipped = ""
	}
}

// renewLeft does the restarts that a deploy died before, while the keys of the
// old release still serve: once those are gone, the new one runs uncached.
func (r *run) renewLeft(ctx context.Context) error {
	pending, err := opcache.ReadPending(r.App.State)
	if err != nil || len(pending) == 0 {
		return err
	}
	usages, err := r.caches.Usage(ctx)
	if err != nil {
		return err
	}
	for _, p := range pending {
		if p.MakesRoom() && p.StillWanted(usages) {
			r.instead = append(r.instead, p.Order())
		}
	}
	if len(r.instead) > 0 {
		_, err = r.renewInto(ctx, r.journal.Moves)
	}
	r.instead, r.renewed = nil, false // what follows is about another switch
	return err
}

// expectNothing takes back that restarts are pending, where none has begun.
func (r *run) expectNothing() error {
	if r.unexpect == nil {
		return nil
	}
	defer func() { r.unexpect = nil }()
	return r.unexpect()
}

// unusedBefore lists, before the links move, the releases that nobody uses and
// that are not to be used.
func (r *run) unusedBefore() ([]string, error) {
	unused, err := r.unused()
	return slices.DeleteFunc(unused, func(folder string) bool {
		return slices.ContainsFunc(r.to, func(to Destination) bool { return r.App.releaseDir(to.Release) == folder })
	}), err
}
