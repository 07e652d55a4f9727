package deploy

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"relink/deploy/moves"
	"relink/internal/links"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php"
	"relink/php/probe"
)

// Caches are the OPcaches behind the pools that serve an application.
// What Connect gives wraps *opcache.Caches.
type Caches interface {
	Has(a probe.Answer) bool
	Threaded() []string
	ToHost(a probe.Answer) string
	Views() []php.PathMap
	Pinned(ctx context.Context) ([]opcache.Worker, error)
	Usage(ctx context.Context) ([]opcache.Usage, error)
	Footprints(ctx context.Context, folders []string) (map[string]opcache.Footprint, error)
	Addressing(ctx context.Context) (opcache.Addressing, error)
	Observe(ctx context.Context, links []opcache.Link, addressing opcache.Addressing) (Switch, error)
	Retire(ctx context.Context, unused []string) (opcache.RetireResult, error)
	Keep(ctx context.Context, u restart.Maintenance) (restart.MaintenanceResult, error)
	Rehearse(ctx context.Context, orders []restart.Order) error
	Expect(ctx context.Context, l restart.RestartQueue, orders []restart.Order) (unexpect func() error, err error)
	Restart(ctx context.Context, l restart.RestartQueue, orders []restart.Order, on Occasion) (restart.Outcome, error)
	Preloads(ctx context.Context, sites []opcache.Link) ([]restart.Renewal, error)
	EndWorkers(ctx context.Context, pools []string) (ended, busy int, err error)
}

// Occasion is what a deploy adds to how this server is restarted.
type Occasion struct {
	Unused []string          // folders of which nothing is to be warm again
	Moved  map[string]string // releases whose hot scripts are to be warm at another place
	Wait   time.Duration     // for a quiet moment, at most, where that is less than is configured
	// Switch moves the links, right before the first of the restarts; nil where
	// they have moved, or do not.
	Switch func(context.Context) error
}

// Switch is the cache work for links that move together, in this order.
type Switch interface {
	Except(pinned []opcache.Worker)
	Renewals(ctx context.Context, sites []opcache.Link) ([]restart.Renewal, error)
	Room(ctx context.Context, unused []string) ([]restart.CacheFit, error)
	Warm(ctx context.Context, progress opcache.Progress) (opcache.WarmResult, error)
	Sweep(ctx context.Context) (opcache.SweepResult, error)
	Invalidate(ctx context.Context) (opcache.InvalidateResult, error)
	Settle(ctx context.Context, progress opcache.Progress) (opcache.SettleResult, error)
	Retire(ctx context.Context, unused []string) (opcache.RetireResult, error)
}

// cacheLinks is what the caches have to be told of a plan: the links that move,
// and those moves of earlier deploys that are not settled, because a worker that
// was busy then may still bring the release of that time back.
func cacheLinks(plan, unsettled moves.Plan) []opcache.Link {
	var links []opcache.Link
	now := map[string]string{}
	for _, move := range plan {
		now[move.Place] = move.To.Real
		if move.Needed() {
			links = append(links, opcache.Link{Name: move.Instance, Path: move.Link, From: move.From.Real, To: move.To.Real})
		}
	}
	for _, move := range unsettled {
		link := opcache.Link{Name: move.Instance, Path: move.Link, From: move.From.Real, To: move.To.Real}
		if to, moved := now[move.Place]; moved {
			link.To = to
		}
		if link.From != "" && link.From != link.To && !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	return links
}

// inReleases completes links with the releases that they lead into, and tells
// which old ones others stay on.
func inReleases(all []opcache.Link, use links.InUse) []opcache.Link {
	after := links.InUse{Links: maps.Clone(use.Links)}
	for _, link := range all {
		after.Links[links.Place(link.Path)] = link.To
	}
	out := slices.Clone(all)
	for i, link := range all {
		out[i].FromRelease, out[i].ToRelease = releaseFolder(link.From, use.Releases), releaseFolder(link.To, use.Releases)
		out[i].Shared = link.From != "" && after.Serves(out[i].FromRelease)
	}
	return out
}

// releaseFolder is the folder of the release that real lies in, or real itself.
func releaseFolder(real, releases string) string {
	id := links.Release(real, releases)
	if id == "" || filepath.IsAbs(id) {
		return id
	}
	return filepath.Join(releases, id)
}

// stillUnsettled is what has to be remembered of two generations of moves.
func stillUnsettled(plan, unsettled moves.Plan) moves.Plan {
	left := plan.Needed()
	now := map[string]moves.Target{}
	for _, move := range plan {
		now[move.Place] = move.To
	}
	for _, move := range unsettled {
		if to, moved := now[move.Place]; moved {
			move.To = to
		}
		if move.Needed() && !slices.Contains(left, move) {
			left = append(left, move)
		}
	}
	return left
}
