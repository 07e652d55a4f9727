package gather

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"relink/fcgi"
	"relink/health"
	"relink/internal/proc"
	"relink/opcache/report"
	"relink/php"
	"relink/php/apache"
	"relink/php/fpm"
)

// poolProbe is one pool and what it answered.
type poolProbe struct {
	pool   php.Pool
	agent  *php.Agent
	facts  health.Pool
	status php.Status
	config php.Configuration
}

func (a *poolProbe) answers() bool { return a.facts.Err == nil && a.facts.AgentErr == nil }

// askPools asks all pools at the same time, each with a bound of its own, so
// that one that hangs delays no other.
func (g *gatherer) askPools(ctx context.Context) {
	pools, err := g.listPools(ctx)
	g.facts.Discovery = err
	queues := proc.UnixQueues()
	g.pools = make([]*poolProbe, len(pools))
	var all sync.WaitGroup
	for i, p := range pools {
		g.pools[i] = &poolProbe{pool: p, facts: health.Pool{Address: p.String(), Configured: g.Configured && !p.InWebServer(), Apache: p.InWebServer()}}
		all.Go(func() { g.pools[i].ask(ctx, g.Timeout) })
	}
	all.Wait()
	for _, a := range g.pools {
		a.facts.Queue = queueOf(a, queues)
		g.facts.Pools = append(g.facts.Pools, a.facts)
	}
	g.group(ctx)
}

func (g *gatherer) listPools(ctx context.Context) ([]php.Pool, error) {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	return g.Pools(ctx)
}

func (a *poolProbe) ask(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a.agent, a.facts.AgentErr = php.NewAgent(a.pool)
	a.reach(ctx)
	if !a.answers() {
		return
	}
	if a.status, a.facts.AgentErr = a.agent.Status(ctx); a.facts.AgentErr == nil {
		a.config, a.facts.AgentErr = a.agent.Configuration(ctx)
	}
	if a.facts.Apache && a.facts.AgentErr == nil {
		a.listProcesses(ctx)
	}
	if isDown(a.facts.AgentErr) { // it went away, or its other workers hang
		a.facts.Err, a.facts.AgentErr = a.facts.AgentErr, nil
	}
}

// reach asks for the status page, and so measures how long a visitor waits for
// a worker; where there is none, for the agent.
func (a *poolProbe) reach(ctx context.Context) {
	if a.facts.Apache {
		a.reachApache(ctx)
		return
	}
	began := time.Now()
	status, err := fcgi.Status(ctx, a.pool.Address, a.pool.StatusPath)
	if a.pool.StatusPath == "" && a.agent != nil {
		began = time.Now()
		if _, pingErr := a.agent.Ping(ctx); isDown(pingErr) {
			err = pingErr
		}
	}
	a.facts.Latency = time.Since(began)
	switch {
	case err == nil:
		a.facts.Status = &status
	case isDown(err):
		a.facts.Err = err
	default:
		a.facts.StatusErr = err
	}
}

// reachApache asks as a visitor does, by HTTP.
func (a *poolProbe) reachApache(ctx context.Context) {
	if a.agent == nil {
		return
	}
	began := time.Now()
	_, err := a.agent.Ping(ctx)
	a.facts.Latency = time.Since(began)
	switch {
	case isDown(err):
		a.facts.Err = err
	default:
		a.facts.AgentErr = err
	}
}

func (a *poolProbe) listProcesses(ctx context.Context) {
	w := a.status.Worker
	if pids, err := apache.Workers(ctx, w.PID, w.ParentPID); err == nil {
		a.facts.Processes = pids
	}
}

// isDown tells a pool that does not answer from one whose answer is an error.
func isDown(err error) bool {
	for _, kind := range []error{
		fcgi.ErrNotListening, fcgi.ErrPermission, fcgi.ErrTimeout, fcgi.ErrReset, fcgi.ErrProtocol, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// group joins the pools that surely share an OPcache: those of one FPM master
// of this machine with the same start. Any other pool stands for itself.
func (g *gatherer) group(ctx context.Context) {
	masters := mastersByPID(ctx)
	for _, a := range g.pools {
		master := masterOf(ctx, a, masters)
		if c := g.sharing(a, master); c != nil {
			c.pools = append(c.pools, a)
			c.sample.Pools = append(c.sample.Pools, a.facts.Address)
			continue
		}
		g.caches = append(g.caches, newCache(a, master))
	}
}

func mastersByPID(ctx context.Context) map[int]fpm.Master {
	all, err := fpm.Masters(ctx)
	if err != nil {
		return nil // then each pool stands for itself
	}
	masters := map[int]fpm.Master{}
	for _, m := range all {
		masters[m.PID] = m
	}
	return masters
}

// masterOf believes a worker's pid only if the process of that pid is a child of
// an FPM master here: a container has pids of its own.
func masterOf(ctx context.Context, a *poolProbe, masters map[int]fpm.Master) fpm.Master {
	if !a.answers() {
		return fpm.Master{}
	}
	w := a.status.Worker
	parent, err := proc.Parent(ctx, w.PID)
	if err != nil || (w.ParentPID != 0 && w.ParentPID != parent) {
		return fpm.Master{}
	}
	return masters[parent]
}

func (g *gatherer) sharing(a *poolProbe, master fpm.Master) *cache {
	for _, c := range g.caches {
		if master.PID != 0 && c.master.PID == master.PID &&
			c.first().status.Statistics.StartTime.Equal(a.status.Statistics.StartTime) {
			return c
		}
	}
	return nil
}

func newCache(a *poolProbe, master fpm.Master) *cache {
	c := &cache{pools: []*poolProbe{a}, master: master, sample: report.Master{
		Name: a.facts.Address, Pools: []string{a.facts.Address}, Status: a.status, Configuration: a.config,
	}}
	c.sample.Err = a.facts.Err
	if c.sample.Err == nil {
		c.sample.Err = a.facts.AgentErr
	}
	return c
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
