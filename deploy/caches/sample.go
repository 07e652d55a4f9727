package caches

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
	"relink/php/fpm"
)

// poolProbe is one pool as a sample found it.
type poolProbe struct {
	pool   php.Pool
	agent  *php.Agent
	master int // pid of the FPM master, or of Apache, where this host shows it, else 0
	status php.Status
	err    error
}

func (p *poolProbe) address() string { return p.pool.String() }

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
	probes := make([]*poolProbe, len(pools))
	var all sync.WaitGroup
	all.Go(func() { s.masters, _ = fpm.Masters(ctx) })
	for i, pool := range pools {
		all.Go(func() { probes[i] = s.ask(ctx, pool) })
	}
	all.Wait()
	sample := report.Sample{Time: time.Now()}
	groups, down := grouped(probes)
	sample.Masters = make([]report.Master, len(groups))
	siblings := make([][]string, len(groups))
	for i, group := range groups {
		all.Go(func() { sample.Masters[i] = s.master(ctx, group) })
		all.Go(func() { siblings[i] = s.siblings(ctx, group[0].master, down) })
	}
	all.Wait()
	for i := range sample.Masters {
		down = adopt(&sample.Masters[i], siblings[i], down)
	}
	sample.Masters = append(sample.Masters, s.lost(down)...)
	return sample
}

func (s *sampler) ask(ctx context.Context, pool php.Pool) *poolProbe {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	p := &poolProbe{pool: pool}
	if p.agent, p.err = php.NewAgent(pool); p.err != nil {
		return p
	}
	if p.status, p.err = p.agent.Status(ctx); p.err == nil {
		p.master = opcache.MasterBehind(ctx, pool, p.status.Worker)
	}
	return p
}

// grouped joins the pools that surely share a memory, as groupByMaster does.
func grouped(probes []*poolProbe) (groups [][]*poolProbe, down []*poolProbe) {
	for _, p := range probes {
		if p.err != nil {
			down = append(down, p)
			continue
		}
		i := slices.IndexFunc(groups, func(g []*poolProbe) bool {
			return p.master != 0 && g[0].master == p.master && g[0].status.Statistics.StartTime.Equal(p.status.Statistics.StartTime)
		})
		if i >= 0 {
			groups[i] = append(groups[i], p)
		} else {
			groups = append(groups, []*poolProbe{p})
		}
	}
	return groups, down
}

// master reads the scripts before the status, so that the figures are not older
// than what they are of.
func (s *sampler) master(ctx context.Context, group []*poolProbe) report.Master {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	m := report.Master{Name: group[0].address(), Down: map[string]string{}}
	for _, p := range group {
		m.Pools = append(m.Pools, p.address())
	}
	m.ProcessControlTimeout = s.controlTimeout(ctx, group[0].master)
	agent := group[0].agent
	if m.Configuration, m.Err = agent.Configuration(ctx); m.Err == nil {
		m.Scripts, m.Err = agent.Scripts(ctx, nil)
	}
	if m.Err == nil {
		m.Status, m.Err = agent.Status(ctx)
	}
	toHost := hostPaths(group)
	for i := range m.Scripts {
		m.Scripts[i].Path = toHost(m.Scripts[i].Path)
	}
	return m
}

// hostPaths gives the function that turns the cache's paths into those of the
// host. Pools that see the files in different ways have keys of their own in the
// same memory: then it is the way in which the file exists.
func hostPaths(group []*poolProbe) func(string) string {
	maps := []php.PathMap{group[0].pool.PathMap}
	for _, p := range group[1:] {
		if !slices.ContainsFunc(maps, func(m php.PathMap) bool { return slices.Equal(m, p.pool.PathMap) }) {
			maps = append(maps, p.pool.PathMap)
		}
	}
	return func(path string) string {
		for _, m := range maps[1:] {
			if host := m.ToHost(path); opcache.Exists(host) && !opcache.Exists(maps[0].ToHost(path)) {
				return host
			}
		}
		return maps[0].ToHost(path)
	}
}

func (s *sampler) settings(ctx context.Context, pid int) (fpm.Settings, bool) {
	i := slices.IndexFunc(s.masters, func(m fpm.Master) bool { return m.PID == pid })
	if pid == 0 || i < 0 {
		return fpm.Settings{}, false
	}
	settings, err := s.masters[i].Settings(ctx)
	return settings, err == nil
}

// controlTimeout is nil where it cannot be read.
func (s *sampler) controlTimeout(ctx context.Context, pid int) *time.Duration {
	settings, known := s.settings(ctx, pid)
	if !known || settings.ControlTimeout < 0 {
		return nil
	}
	return &settings.ControlTimeout
}

// siblings are the addresses of all pools of a master that runs. Its
// configuration is read for them only where a pool is missing.
func (s *sampler) siblings(ctx context.Context, pid int, down []*poolProbe) []string {
	if len(down) == 0 {
		return nil
	}
	settings, _ := s.settings(ctx, pid)
	var all []string
	for _, pool := range settings.Pools {
		all = append(all, pool.Address.String())
	}
	return all
}

// adopt gives a cache those of the pools that are down that belong to its master.
func adopt(m *report.Master, siblings []string, down []*poolProbe) (left []*poolProbe) {
	for _, p := range down {
		if slices.Contains(siblings, p.address()) {
			m.Pools = append(m.Pools, p.address())
			m.Down[p.address()] = p.err.Error()
		} else {
			left = append(left, p)
		}
	}
	return left
}

var errNoPoolReadable = errors.New("none of its pools can be read")

// lost are caches of which no pool can be read.
func (s *sampler) lost(down []*poolProbe) []report.Master {
	var all []report.Master
	for _, p := range down {
		i := slices.IndexFunc(all, func(m report.Master) bool { return s.shared(m.Name, p.address()) })
		if i < 0 {
			all = append(all, report.Master{Name: p.address(), Down: map[string]string{}, Err: errNoPoolReadable})
			i = len(all) - 1
		}
		all[i].Pools = append(all[i].Pools, p.address())
		all[i].Down[p.address()] = p.err.Error()
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
