package opcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
)

// ErrNotQuiet means that a restart was put off because requests are running.
var ErrNotQuiet = errors.New("not quiet")

// resetPoll is how often a scheduled reset is looked after.
const resetPoll = 20 * time.Millisecond

// Reset empties every cache by opcache_reset() and proves it. While a long
// request runs OPcache would stay off for all of its length, with a hundredth
// of the throughput; so nothing is done unless no request is older than quiet,
// waited for up to patience.
func (c *Caches) Reset(ctx context.Context, quiet, patience time.Duration) error {
	if err := c.awaitQuiet(ctx, quiet, patience); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.ResetTimeout)
	defer cancel()
	return c.eachCache(ctx, func(ctx context.Context, _ int, one *cache) error { return one.reset(ctx) })
}

func (c *Caches) awaitQuiet(ctx context.Context, quiet, patience time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		loud, err := c.loud(ctx, quiet)
		if err != nil {
			return err
		}
		if loud == nil {
			return nil
		}
		if wait(bounded, lastPause); bounded.Err() != nil {
			return loud
		}
	}
}

// loud names a request that is older than quiet, if there is one.
func (c *Caches) loud(ctx context.Context, quiet time.Duration) (loud error, err error) {
	for _, p := range c.pools() {
		ctx, cancel := context.WithTimeout(ctx, c.options.CallTimeout)
		workers, _, err := p.look(ctx)
		cancel()
		if err != nil && !errors.Is(err, errUnlisted) {
			return nil, fmt.Errorf("pool %s: %w", p.address(), err)
		}
		if p.statusPath() == "" {
			return hint.With(fmt.Errorf("%w: pool %s has no status page, so nobody knows whether a request is running", ErrNotQuiet, p.address()),
				"set pm.status_path = /fpm-status in the pool and status_path: /fpm-status in relink's configuration"), nil
		}
		for _, w := range workers {
			if w.state == fcgi.StateRunning && w.busy > quiet {
				return fmt.Errorf("%w: worker %d of pool %s has been in %s for %s", ErrNotQuiet, w.pid, p.address(), w.request, w.busy.Round(time.Second/10)), nil
			}
		}
	}
	return nil, nil
}

// reset schedules the restart and waits until OPcache says that it happened:
// opcache_reset() itself only schedules (ext/opcache, zend_accel_schedule_restart).
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
		if err == nil && !now.RestartPending && now.Statistics.ManualRestarts > before.Statistics.ManualRestarts {
			return nil
		}
		if wait(ctx, resetPoll); ctx.Err() != nil {
			return hint.With(fmt.Errorf("the reset is scheduled but has not happened: %w", ctx.Err()),
				"OPcache restarts when no worker is inside a request; until then it caches nothing new")
		}
	}
}
