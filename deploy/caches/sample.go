package caches

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"relink/internal/config"
	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
	"relink/php/fpm"
)

// sampler is the reading of all caches at one time.
type sampler struct {
	limit   time.Duration // of one call of the agent
	earlier *report.Totals
	masters []fpm.Master // those that run here
}

// ReadSample reads every cache once. A pool that cannot be read is no error: it
// is named in the sample, with the pools that it shared a cache with according
// to an earlier sample, which may be nil.
func ReadSample(ctx context.Context, pools []php.Pool, limit time.Duration, earlier *report.Totals) report.Sample {
	s := &sampler{limit: limit, earlier: earlier}
	var found *opcache.Caches
	var all sync.WaitGroup
	all.Go(func() { s.masters, _ = fpm.Masters(ctx) })
	all.Go(func() { found = opcache.Inventory(ctx, pools, opcache.Options{Timeouts: config.Timeouts{Call: limit}}) })
	all.Wait()
	sample := report.Sample{Time: time.Now()}
	var up []*opcache.Cache
	var down []*opcache.Pool
	for _, cache := range found.All {
		if first := cache.First(); first.Err != nil {
			down = append(down, first)
		} else {
			up = append(up, cache)
		}
	}
	sample.Masters = make([]report.Master, len(up))
	siblings := make([][]string, len(up))
	for i, cache := range up {
		all.Go(func() { sample.Masters[i] = s.master(ctx, cache) })
		all.Go(func() { siblings[i] = s.siblings(ctx, cache, down) })
	}
	all.Wait()
	for i := range sample.Masters {
		down = adopt(&sample.Masters[i], siblings[i], down)
	}
	sample.Masters = append(sample.Masters, s.lost(down)...)
	return sample
}

// master reads the scripts before the status, so that the figures are not older
// than what they are of.
func (s *sampler) master(ctx context.Context, cache *opcache.Cache) report.Master {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	m := report.Master{Name: cache.Name(), Pools: cache.Addresses(), Down: map[string]string{}}
	if settings, known := s.settings(ctx, cache); known && settings.ControlTimeout >= 0 {
		m.ProcessControlTimeout = &settings.ControlTimeout
	}
	if m.Configuration, m.Err = cache.Agent().Configuration(ctx); m.Err == nil {
		m.Scripts, m.Err = cache.Scripts(ctx)
	}
	if m.Err == nil {
		m.Status, m.Err = cache.Agent().Status(ctx)
	}
	return m
}

// settings are those of the cache's master; not known where they cannot be read.
func (s *sampler) settings(ctx context.Context, cache *opcache.Cache) (fpm.Settings, bool) {
	master, err := cache.FindIn(s.masters)
	if err != nil || master.PID == 0 {
		return fpm.Settings{}, false
	}
	settings, err := master.Settings(ctx)
	return settings, err == nil
}

// siblings are the addresses of all pools of a master that runs. Its
// configuration is read for them only where a pool is missing.
func (s *sampler) siblings(ctx context.Context, cache *opcache.Cache, down []*opcache.Pool) []string {
	if len(down) == 0 {
		return nil
	}
	settings, _ := s.settings(ctx, cache)
	var all []string
	for _, pool := range settings.Pools {
		all = append(all, pool.Address.String())
	}
	return all
}

// adopt gives a cache those of the pools that are down that belong to its master.
func adopt(m *report.Master, siblings []string, down []*opcache.Pool) (left []*opcache.Pool) {
	for _, p := range down {
		if slices.Contains(siblings, p.Address()) {
			m.Pools = append(m.Pools, p.Address())
			m.Down[p.Address()] = p.Err.Error()
		} else {
			left = append(left, p)
		}
	}
	return left
}

// lost are caches of which no pool can be read.
func (s *sampler) lost(down []*opcache.Pool) []report.Master {
	var all []report.Master
	for _, p := range down {
		i := slices.IndexFunc(all, func(m report.Master) bool { return s.shared(m.Name, p.Address()) })
		if i < 0 {
			all = append(all, report.Master{Name: p.Address(), Down: map[string]string{}, Err: errors.New("none of its pools can be read")})
			i = len(all) - 1
		}
		all[i].Pools = append(all[i].Pools, p.Address())
		all[i].Down[p.Address()] = p.Err.Error()
	}
	return all
}

// shared tells whether two pools shared a cache when both could be read last.
func (s *sampler) shared(a, b string) bool {
	if s.earlier == nil {
		return false
	}
	return slices.ContainsFunc(s.earlier.Masters, func(m report.MasterTotals) bool {
		return slices.Contains(m.Pools, a) && slices.Contains(m.Pools, b)
	})
}
