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
const resetPoll = 20 * time.Millisecond

// memory is one OPcache with all that share it, under whatever paths.
type memory struct {
	caches []*cache
}

// memories lists the distinct memories of the caches.
func (c *Caches) memories() []*memory {
	var all []*memory
	for _, first := range c.distinct() {
		m := &memory{}
		for _, one := range c.caches {
			if one == first || first.sameMemory(one.pools[0]) {
				m.caches = append(m.caches, one)
			}
		}
		all = append(all, m)
	}
	return all
}

func (m *memory) name() string { return m.caches[0].name() }

// ofApache tells whether the cache is part of Apache (mod_php).
func (m *memory) ofApache() bool { return m.caches[0].ofApache() }

// master is the pid of the FPM master, or of Apache, 0 where this machine does not show it.
func (m *memory) master() int { return m.caches[0].pools[0].master }

func (m *memory) pools() []*pool {
	var all []*pool
	for _, one := range m.caches {
		all = append(all, one.pools...)
	}
	return all
}

func (m *memory) addresses() []string {
	var all []string
	for _, one := range m.caches {
		all = append(all, one.addresses()...)
	}
	return all
}

func (m *memory) status(ctx context.Context, limit time.Duration) (php.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return m.caches[0].agent().Status(ctx)
}

// find gives the FPM master as php knows it; the zero Master where it is not shown,
// or there is none.
func (m *memory) find(ctx context.Context) (fpm.Master, error) {
	if m.master() == 0 || m.ofApache() {
		return fpm.Master{}, nil
	}
	masters, err := fpm.Masters(ctx)
	if err != nil {
		return fpm.Master{}, err
	}
	i := slices.IndexFunc(masters, func(one fpm.Master) bool { return one.PID == m.master() })
	if i < 0 {
		return fpm.Master{}, fmt.Errorf("FPM master %d has ended since its pools were asked", m.master())
	}
	return masters[i], nil
}

// renew learns the new start of the cache and the new workers and master.
func (m *memory) renew(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, p := range m.pools() {
		status, err := p.agent.Status(ctx)
		if err != nil {
			return fmt.Errorf("pool %s: %w", p.address(), err)
		}
		p.learn(ctx, status)
		if _, err := p.look(ctx); err != nil {
			p.remember(nil)
		}
	}
	return nil
}

// reset schedules the restart and waits until OPcache says that it happened:
// opcache_reset() itself only schedules (ZendAccelerator.c,
// zend_accel_schedule_restart), and the counters grow when it happens. One that
// is pending for another reason is as good.
func (c *cache) reset(ctx context.Context) error {
	before, err := c.agent().Status(ctx)
	if err != nil {
		return err
	}
	if _, err := c.agent().Reset(ctx); err != nil {
		return err
	}
	for {
		now, err := c.agent().Status(ctx)
		if err == nil && !now.RestartPending && !now.RestartInProgress && restarts(now.Statistics) > restarts(before.Statistics) {
			return nil
		}
		if wait(ctx, resetPoll); ctx.Err() != nil {
			return hint.With(fmt.Errorf("the reset is scheduled but has not happened: %w", ctx.Err()),
				"wait for the requests in flight to end: OPcache restarts when no worker is inside a request, and caches nothing new until then")
		}
	}
}

// wanted tells whether the cache is that of one of the pools; none: of any.
func (m *memory) wanted(pools []string) bool { return len(pools) == 0 || m.wantedBy(pools) }

func (m *memory) wantedBy(pools []string) bool { return samePools(m.addresses(), pools) }
