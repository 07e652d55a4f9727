package opcache

import (
	"context"
	"fmt"
	"slices"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/pace"
	"relink/php"
	"relink/php/fpm"
)

// Cache is one OPcache, a shared memory, with all the pools that share it.
type Cache struct {
	Spaces []*KeySpace
}

// KeySpace is pools that share an OPcache and the keys in it. Any of them can be
// asked about the cache; each has workers of its own.
type KeySpace struct {
	Pools []*Pool
}

func (c *KeySpace) name() string           { return "OPcache of " + c.Pools[0].Address() }
func (c *KeySpace) Agent() *php.Agent      { return c.Pools[0].Agent }
func (c *KeySpace) paths() php.PathMap     { return c.Pools[0].PathMap }
func (c *KeySpace) ToPool(p string) string { return c.paths().ToPool(p) }
func (c *KeySpace) ToHost(p string) string { return c.paths().ToHost(p) }

// sees tells whether a pool of the same memory has the same keys. Pools that see the
// files under other paths have keys of their own, and so have those in another root
// where opcache.validate_root tells roots apart (zend_accel_hash.c: each key's hash is
// mixed with the root's inode).
func (c *KeySpace) sees(p *Pool) bool {
	root := p.Status.Worker.Root
	return root != php.UnknownRoot && c.Pools[0].Status.Worker.Root == root && slices.Equal(c.paths(), p.PathMap)
}

// First is the pool that is asked about the cache.
func (m *Cache) First() *Pool { return m.Spaces[0].Pools[0] }

// holds tells whether a pool surely has this memory.
func (m *Cache) holds(p *Pool) bool {
	first := m.First()
	return p.Err == nil && first.Err == nil && p.master != 0 && p.master == first.master && p.Status.Statistics.StartTime.Equal(first.Status.Statistics.StartTime)
}

func (m *Cache) add(p *Pool) {
	i := slices.IndexFunc(m.Spaces, func(c *KeySpace) bool { return c.sees(p) })
	if i < 0 {
		i, m.Spaces = len(m.Spaces), append(m.Spaces, &KeySpace{})
	}
	m.Spaces[i].Pools = append(m.Spaces[i].Pools, p)
}

func (m *Cache) name() string      { return m.Spaces[0].name() }
func (m *Cache) Name() string      { return m.First().Address() }
func (m *Cache) Agent() *php.Agent { return m.First().Agent }

// OfApache tells whether the cache is part of Apache (mod_php).
func (m *Cache) OfApache() bool { return m.First().InWebServer() }

// Master is the pid of the FPM master, or of Apache, 0 where this machine does not show it.
func (m *Cache) Master() int { return m.First().master }

func (m *Cache) Pools() []*Pool {
	return flat(m.Spaces, func(one *KeySpace) []*Pool { return one.Pools })
}

func (m *Cache) Addresses() []string {
	var all []string
	for _, p := range m.Pools() {
		all = append(all, p.Address())
	}
	return all
}

// Scripts lists all scripts, under the paths of the host.
func (m *Cache) Scripts(ctx context.Context) ([]php.Script, error) {
	scripts, err := m.Agent().Scripts(ctx, nil)
	for i := range scripts {
		scripts[i].Path = m.toHost(scripts[i].Path)
	}
	return scripts, err
}

// toHost turns a path of the cache into that of the host. Where key spaces of the
// same memory see the files in different ways, it is the way in which the file exists.
func (m *Cache) toHost(path string) string {
	first := m.Spaces[0]
	for _, other := range m.Spaces[1:] {
		if slices.Equal(other.paths(), first.paths()) {
			continue
		}
		if host := other.ToHost(path); Exists(host) && !Exists(first.ToHost(path)) {
			return host
		}
	}
	return first.ToHost(path)
}

// Status is what the first pool tells, which has limit for that, and 1 MiB.
func (m *Cache) Status(ctx context.Context, limit time.Duration) (php.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.Agent().Status(ctx)
}

// Find gives the FPM master as php knows it; the zero Master where it is not shown,
// or there is none.
func (m *Cache) Find(ctx context.Context) (fpm.Master, error) {
	masters, err := fpm.Masters(ctx)
	if err != nil {
		return fpm.Master{}, err
	}
	return m.FindIn(masters)
}

// FindIn is Find among masters that were listed before.
func (m *Cache) FindIn(masters []fpm.Master) (fpm.Master, error) {
	if m.Master() == 0 || m.OfApache() {
		return fpm.Master{}, nil
	}
	i := slices.IndexFunc(masters, func(one fpm.Master) bool { return one.PID == m.Master() })
	if i < 0 {
		return fpm.Master{}, fmt.Errorf("FPM master %d has ended since its pools were asked", m.Master())
	}
	return masters[i], nil
}

// RefreshPIDs learns the new start of the cache and the new workers and master. All of it
// takes limit at most.
func (m *Cache) RefreshPIDs(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, p := range m.Pools() {
		if err := p.Ask(ctx); err != nil {
			return fmt.Errorf("pool %s: %w", p.Address(), err)
		}
		if _, err := p.look(ctx); err != nil {
			p.last.Store(&[]fcgi.Process{})
		}
	}
	return nil
}

// ResetPoll is how often a scheduled reset is looked after.
const ResetPoll = 20 * time.Millisecond

// Reset schedules the restart and waits until OPcache says that it happened:
// opcache_reset() itself only schedules (ZendAccelerator.c,
// zend_accel_schedule_restart), and the counters grow when it happens. One that
// is pending for another reason is as good.
func (m *Cache) Reset(ctx context.Context) error {
	before, err := m.Agent().Status(ctx)
	if err != nil {
		return err
	}
	if err := m.Agent().Reset(ctx); err != nil {
		return err
	}
	for {
		now, err := m.Agent().Status(ctx)
		if err == nil && !now.RestartPending && !now.RestartInProgress && restarts(now.Statistics) > restarts(before.Statistics) {
			return nil
		}
		if err := pace.Wait(ctx, ResetPoll); err != nil {
			return hint.With(fmt.Errorf("the reset is scheduled but has not happened: %w", err),
				"wait for the requests in flight to end: OPcache restarts when no worker is inside a request, and caches nothing new until then")
		}
	}
}

// Wanted tells whether the cache is that of one of the pools; none: of any.
func (m *Cache) Wanted(pools []string) bool { return len(pools) == 0 || m.WantedBy(pools) }

func (m *Cache) WantedBy(pools []string) bool { return SamePools(m.Addresses(), pools) }
