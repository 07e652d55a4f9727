package gather

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"relink/fcgi"
	"relink/health"
	"relink/internal/proc"
	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
	"relink/php/apache"
	"relink/php/fpm"
)

// poolProbe is one pool and what it answered.
type poolProbe struct {
	*opcache.Pool
	facts  health.Pool
	config php.Configuration
}

func (a *poolProbe) answers() bool { return a.facts.Err == nil && a.facts.AgentErr == nil }

// askPools asks all pools at the same time, each with a bound of its own, so
// that one that hangs delays no other.
func (g *gatherer) askPools(ctx context.Context) {
	queues := unixQueues() // before calls of relink wait there, too
	listing, cancel := context.WithTimeout(ctx, g.Timeout)
	pools, err := g.Pools(listing)
	cancel()
	g.facts.Discovery = err
	g.pools = make([]*poolProbe, len(pools))
	var all sync.WaitGroup
	if !g.Cheap {
		all.Go(func() { g.masters, _ = fpm.Masters(ctx) }) // none: as if this machine showed none
	}
	for i, p := range pools {
		g.pools[i] = &poolProbe{facts: health.Pool{Address: p.String(), Configured: g.Configured && !p.InWebServer(), Apache: p.InWebServer()}}
		all.Go(func() { g.pools[i].ask(ctx, p, g.Timeout) })
	}
	all.Wait()
	for _, a := range g.pools {
		a.facts.Queue = queueOf(a, queues)
		g.facts.Pools = append(g.facts.Pools, a.facts)
	}
	g.group()
}

func (a *poolProbe) ask(ctx context.Context, pool php.Pool, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a.Pool = opcache.NewPool(pool, nil)
	a.facts.AgentErr = a.Err
	a.reach(ctx)
	if !a.answers() {
		return
	}
	if a.Ask(ctx) == nil {
		a.config, a.Err = a.Agent.Configuration(ctx)
	}
	a.facts.AgentErr = a.Err
	if a.facts.Apache && a.facts.AgentErr == nil {
		all, _ := apache.ProcessesBeside(ctx, a.Status.Worker.PID, a.Status.Worker.ParentPID) // none where they are hidden
		a.facts.Processes = all.Workers
	}
	if isDown(a.facts.AgentErr) { // it went away, or its other workers hang
		a.facts.Err, a.facts.AgentErr = a.facts.AgentErr, nil
	}
}

// reach asks for the status page, and so measures how long a visitor waits for
// a worker; where there is none, and of Apache, for the agent.
func (a *poolProbe) reach(ctx context.Context) {
	began := time.Now()
	var status fcgi.PoolStatus
	var err error
	if !a.facts.Apache {
		status, err = fcgi.Status(ctx, a.Pool.Pool.Address, a.StatusPath())
	}
	if (a.facts.Apache || a.StatusPath() == "") && a.Agent != nil {
		began = time.Now()
		if _, pingErr := a.Agent.Ping(ctx); a.facts.Apache || isDown(pingErr) {
			err = pingErr
		}
	}
	a.facts.Latency = time.Since(began)
	switch {
	case isDown(err):
		a.facts.Err = err
	case a.facts.Apache:
		a.facts.AgentErr = cmp.Or(a.facts.AgentErr, err)
	case err != nil:
		a.facts.StatusErr = err
	default:
		a.facts.Status = &status
	}
}

// isDown tells a pool that does not answer from one whose answer is an error.
func isDown(err error) bool {
	return slices.ContainsFunc([]error{
		fcgi.ErrNotListening, fcgi.ErrPermission, fcgi.ErrTimeout, fcgi.ErrReset, fcgi.ErrProtocol, context.Canceled, context.DeadlineExceeded,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// group makes the caches of what the pools answered.
func (g *gatherer) group() {
	pools := make([]*opcache.Pool, len(g.pools))
	asked := map[*opcache.Pool]*poolProbe{}
	for i, a := range g.pools {
		pools[i], asked[a.Pool] = a.Pool, a
	}
	for _, shared := range opcache.Group(pools) {
		c := &cache{Cache: shared}
		for _, p := range shared.Pools() {
			c.pools = append(c.pools, asked[p])
		}
		first := c.first()
		c.sample = report.Master{Name: shared.Name(), Pools: shared.Addresses(), Status: first.Status, Configuration: first.config,
			Err: cmp.Or(first.facts.Err, first.facts.AgentErr)}
		g.caches = append(g.caches, c)
	}
}

func unixQueues() map[string]int64 {
	queues := map[string]int64{}
	for _, one := range proc.UnixListeners() {
		queues[one.Path] = one.Queue
	}
	return queues
}

// queueOf prefers what the kernel says: FPM counts the queue of TCP sockets only
// (fpm_process_ctl.c) and reports 0 for others.
func queueOf(a *poolProbe, kernel map[string]int64) *int64 {
	if path, isSocket := strings.CutPrefix(a.facts.Address, "unix:"); isSocket {
		if n, known := kernel[path]; known {
			return &n
		}
		return nil
	}
	if a.facts.Status != nil {
		return &a.facts.Status.ListenQueue
	}
	return nil
}
