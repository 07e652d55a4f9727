package opcache

import (
	"context"
	"fmt"
	"slices"
	"time"

	"relink/internal/hint"
	"relink/php"
	"relink/php/fpm"
)

// resetPoll is how often a scheduled reset is looked after.
const ResetPoll = 20 * time.Millisecond

// Cache is one OPcache with all that share it, under whatever paths.
type Cache struct {
	Spaces []*KeySpace
}

// Distinct lists the distinct memories of the caches.
func (c *Caches) Distinct() []*Cache {
	var all []*Cache
	for _, first := range c.Firsts() {
		m := &Cache{}
		for _, one := range c.Spaces {
			if one == first || first.sameMemory(one.Pools[0]) {
				m.Spaces = append(m.Spaces, one)
			}
		}
		all = append(all, m)
	}
	return all
}

func (m *Cache) Name() string { return m.Spaces[0].name() }

// OfApache tells whether the cache is part of Apache (mod_php).
func (m *Cache) OfApache() bool { return m.Spaces[0].OfApache() }

// Master is the pid of the FPM master, or of Apache, 0 where this machine does not show it.
func (m *Cache) Master() int { return m.Spaces[0].Pools[0].master }

func (m *Cache) Pools() []*Pool {
	var all []*Pool
	for _, one := range m.Spaces {
		all = append(all, one.Pools...)
	}
	return all
}

func (m *Cache) Addresses() []string {
	var all []string
	for _, one := range m.Spaces {
		all = append(all, one.addresses()...)
	}
	return all
}

func (m *Cache) Status(ctx context.Context, limit time.Duration) (php.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.Spaces[0].Agent().Status(ctx)
}

// Find gives the FPM master as php knows it; the zero Master where it is not shown,
// or there is none.
func (m *Cache) Find(ctx context.Context) (fpm.Master, error) {
	if m.Master() == 0 || m.OfApache() {
		return fpm.Master{}, nil
	}
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

// RefreshPIDs learns the new start of the cache and the new workers and master.
func (m *Cache) RefreshPIDs(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, p := range m.Pools() {
		status, err := p.Agent.Status(ctx)
		if err != nil {
			return fmt.Errorf("pool %s: %w", p.Address(), err)
		}
		p.learn(ctx, status)
		if _, err := p.look(ctx); err != nil {
			p.remember(nil)
		}
	}
	return nil
}

// Reset schedules the restart and waits until OPcache says that it happened:
// opcache_reset() itself only schedules (ZendAccelerator.c,
// zend_accel_schedule_restart), and the counters grow when it happens. One that
// is pending for another reason is as good.
func (c *KeySpace) Reset(ctx context.Context) error {
	before, err := c.Agent().Status(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Agent().Reset(ctx); err != nil {
		return err
	}
	for {
		now, err := c.Agent().Status(ctx)
		if err == nil && !now.RestartPending && !now.RestartInProgress && restarts(now.Statistics) > restarts(before.Statistics) {
			return nil
		}
		if Wait(ctx, ResetPoll); ctx.Err() != nil {
			return hint.With(fmt.Errorf("the reset is scheduled but has not happened: %w", ctx.Err()),
				"wait for the requests in flight to end: OPcache restarts when no worker is inside a request, and caches nothing new until then")
		}
	}
}

// Wanted tells whether the cache is that of one of the pools; none: of any.
func (m *Cache) Wanted(pools []string) bool { return len(pools) == 0 || m.WantedBy(pools) }

func (m *Cache) WantedBy(pools []string) bool { return SamePools(m.Addresses(), pools) }
