package gather

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"relink/health"
	"relink/internal/hint"
	"relink/internal/proc"
	"relink/opcache"
	"relink/opcache/report"
)

// describe adds to a cache's figures what its configuration and its processes
// tell.
func (g *gatherer) describe(ctx context.Context, c *cache, figures report.MasterReport, before *Sample) health.Master {
	m := health.Master{MasterReport: figures, Err: c.sample.Err, Apache: c.first().facts.Apache}
	if m.Err != nil {
		return m
	}
	m.Configuration = c.sample.Configuration
	for _, a := range c.pools {
		m.RealpathCache = max(m.RealpathCache, a.Status.Worker.RealpathCache, a.config.Worker.RealpathCache)
	}
	m.FileCache = hostPath(c.Spaces[0], m.Configuration.FileCache)
	m.Preload = hostPath(c.Spaces[0], m.Configuration.Preload)
	if !g.Cheap && !m.Apache {
		m.ControlTimeout, m.ControlErr = g.controlTimeout(ctx, c)
	}
	m.Xdebug, m.XdebugErr = xdebugIn(c)
	m.Restarted = restartGrowth(c.sample, before)
	return m
}

func (g *gatherer) controlTimeout(ctx context.Context, c *cache) (*time.Duration, error) {
	m, err := c.FindIn(g.masters)
	if err != nil || m.PID == 0 {
		return nil, errHidden
	}
	if m.Problem != nil {
		return nil, m.Problem
	}
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	settings, err := m.Settings(ctx)
	if err != nil {
		return nil, err
	}
	if settings.ControlTimeout < 0 {
		return nil, errors.New("FPM does not print its process_control_timeout")
	}
	return &settings.ControlTimeout, nil
}

func hostPath(space *opcache.KeySpace, pool string) string {
	if pool == "" {
		return ""
	}
	host := space.ToHost(pool)
	if real, err := filepath.EvalSymlinks(host); err == nil {
		return real
	}
	return host
}

// errHidden: what /proc would tell of a process in a container or elsewhere.
var errHidden = hint.With(errors.New("its FPM master (mod_php: its Apache) is no process that this machine shows"),
	"look inside its container, and name the check under health.skip")

// xdebugIn looks at the memory of a worker, because the extension is nothing
// that OPcache tells of. That disturbs nobody.
func xdebugIn(c *cache) (*bool, error) {
	if c.Master() == 0 {
		return nil, errHidden
	}
	loaded, err := proc.Maps(c.First().Status.Worker.PID, "xdebug.so")
	if err != nil {
		return nil, err
	}
	return &loaded, nil
}

// poolGrowth is nil where there is nothing to compare with. A pool that was
// started since counts from 0.
func poolGrowth(p *health.Pool, before *Sample) *health.PoolGrowth {
	if before == nil || p.Status == nil {
		return nil
	}
	earlier, known := before.Pools[p.Address]
	if !known {
		return nil
	}
	if !earlier.Started.Equal(p.Status.StartTime) {
		earlier = PoolCounters{}
	}
	return &health.PoolGrowth{
		Since:        before.Time,
		MaxChildren:  p.Status.MaxChildrenReached - earlier.MaxChildren,
		SlowRequests: p.Status.SlowRequests - earlier.SlowRequests,
	}
}

// restartGrowth counts the restarts since the earlier sample. A new FPM master
// counts from 0.
func restartGrowth(m report.Master, before *Sample) *health.RestartGrowth {
	if before == nil || m.Err != nil {
		return nil
	}
	earlier, now := before.Of(&m), m.Status.Statistics
	if earlier == nil {
		return nil
	}
	growth := &health.RestartGrowth{Since: before.Time, OOM: now.OOMRestarts, Hash: now.HashRestarts, Manual: now.ManualRestarts}
	if !earlier.Started.Equal(now.StartTime) {
		growth.Process = true
		return growth
	}
	growth.OOM -= earlier.OOMRestarts
	growth.Hash -= earlier.HashRestarts
	growth.Manual -= earlier.ManualRestarts
	return growth
}
