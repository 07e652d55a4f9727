package gather

import (
	"slices"

	"relink/health"
	"relink/opcache/report"
)

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
	i := slices.IndexFunc(before.Caches.Masters, func(t report.MasterTotals) bool {
		return t.Name == m.Name || slices.ContainsFunc(m.Pools, func(pool string) bool { return slices.Contains(t.Pools, pool) })
	})
	if i < 0 {
		return nil
	}
	earlier, now := before.Caches.Masters[i], m.Status.Statistics
	growth := &health.RestartGrowth{Since: before.Time, OOM: now.OOMRestarts, Hash: now.HashRestarts, Manual: now.ManualRestarts}
	if started, known := before.Starts[earlier.Name]; known && !started.Equal(now.StartTime) {
		growth.Process = true
		return growth
	}
	growth.OOM -= earlier.OOMRestarts
	growth.Hash -= earlier.HashRestarts
	growth.Manual -= earlier.ManualRestarts
	return growth
}
