package serve

import (
	"context"
	"slices"
	"time"

	"relink/health"
	"relink/health/gather"
	"relink/php"
)

const (
	// discoverEvery is how often the pools of the running masters are listed:
	// each time, every master's binary reads its configuration in a process of its
	// own, which costs more than all the rest of a look, and every site is asked for
	// the PHP inside of its web server.
	discoverEvery = time.Minute
	// discoverAgain is the same while something does not answer.
	discoverAgain = 15 * time.Second
)

// discovery remembers which pools there are.
type discovery struct {
	list  func(context.Context) ([]php.Pool, error)
	every time.Duration
	again time.Duration

	pools   []php.Pool
	err     error
	at      time.Time
	trouble bool // something did not answer at the last look
}

func newDiscovery(d gather.Deps) *discovery {
	return &discovery{list: d.Pools, every: discoverEvery, again: discoverAgain}
}

func (d *discovery) get(ctx context.Context) ([]php.Pool, error) {
	limit := d.every
	if d.trouble {
		limit = d.again
	}
	if age := time.Since(d.at); d.at.IsZero() || age < 0 || age >= limit || slices.ContainsFunc(d.pools, php.Pool.Ended) {
		d.pools, d.err = d.list(ctx)
		d.at = time.Now()
	}
	return d.pools, d.err
}

// note looks for reasons to list the pools sooner.
func (d *discovery) note(f health.Facts) {
	d.trouble = len(f.Pools) == 0 || f.Discovery != nil ||
		slices.ContainsFunc(f.Pools, func(p health.Pool) bool { return p.Err != nil || p.AgentErr != nil })
}
