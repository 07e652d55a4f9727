package deploy

import (
	"context"
	"errors"
	"fmt"

	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/probe"
)

// knock asks every instance, before anything moves, which PHP serves it now. That
// tells how the web server names scripts, and which PHP no pool leads to. A site
// that cannot be asked, such as one that has no probe yet, is no failure.
func (r *run) knock(ctx context.Context) (found server, web opcache.Web, err error) {
	if !front.Probed(r.App) {
		return found, web, nil
	}
	if found.secret, err = probe.EnsureSecret(r.App.State); err != nil {
		return found, web, err
	}
	linked := r.App.Linked()
	sites := found.secret.Doors(r.App.Name, linked)
	found.sights = front.Knock(ctx, sites, r.atOnce)
	if err := ctx.Err(); err != nil {
		return found, web, err
	}
	if len(sites) == len(linked) {
		found.addressing = front.Weakest(found.sights)
	}
	inside := 0
	for _, s := range found.sights {
		if s.InWebServer() {
			inside++
		}
	}
	web = opcache.Web{Pools: front.WebPools(ctx, found.sights, front.AgentDir(r.App)), Alone: inside > 0 && inside == len(linked), Heard: found.sights} // also of those that have no probe before the switch
	return found, web, nil
}

// atOnce is how many sites are asked at the same time: few on a server that was full when
// the command began, where each has visitors wait.
func (r *run) atOnce(most int) int {
	if r.crowded {
		return max(1, most/4)
	}
	return most
}

// sitesAtOnce is how many sites are asked at the same time where their workers are known.
func (r *run) sitesAtOnce(of server) int {
	if of.caches == nil {
		return r.atOnce(front.AtOnce(0))
	}
	return r.atOnce(front.AtOnce(of.caches.Workers()))
}

// refuseStrangeCaches: what no pool leads to cannot be made to follow, and would
// serve the old release for ever.
func (r *run) refuseStrangeCaches(found server) error {
	if !found.followed() {
		return nil
	}
	var strange []string
	for _, s := range found.sights {
		if s.Err == nil && !found.caches.Has(s.Answer) {
			strange = append(strange, s.Door.Site+" by "+front.By(s))
		}
	}
	if len(strange) == 0 {
		return nil
	}
	text := fmt.Sprintf("served by a PHP that is none of the pools (%s): %s", r.poolNames(), ui.FirstFew(strange))
	return r.unlessForced(hint.With(fmt.Errorf("%w: %s", front.ErrFrontDoor, text),
		"name the pool that the web server sends these sites to under `pools`; `relink config check --probe` shows who answers; --force goes on, and they stay old until that PHP is restarted"), text)
}

// proveFront asks each instance once more, after everything: what its own web
// server sends is what visitors get.
func (r *run) proveFront(to coming, seen change) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		sites := seen.secret.Doors(r.App.Name, moves.InstancesOf(to.goals))
		if r.Reset == journal.ResetNever || len(sites) == 0 {
			return "", nil
		}
		sights := probe.AskAll(ctx, sites, r.sitesAtOnce(seen.server))
		if err := ctx.Err(); err != nil {
			return "", err
		}
		after := front.Switched{App: r.App, Release: to.release.ID, Moves: seen.plan.ByInstance(), States: seen.states, Before: seen.sights, Addressing: seen.addressing, Caches: seen.caches}
		fronts, wrong := after.Judge(sights)
		r.report.FrontDoor = fronts
		hidden, why := front.Hidden(sights)
		if hidden > 0 {
			r.report.Warn(why)
		}
		r.report.SetUp = seen.addressing.Weaker(front.Weakest(sights))
		return fmt.Sprintf("%d of %s proven", len(sights)-hidden, ui.Plural(len(sights), "instance")), errors.Join(wrong...)
	}
}
