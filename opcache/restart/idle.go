package restart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/pace"
	"relink/opcache"
	"relink/php"
)

const (
	quietPoll = 100 * time.Millisecond
	// quietCall bounds one look at a pool. A pool that does not answer has all
	// its workers busy.
	quietCall = 2 * time.Second
)

// pollTarget is a pool whose requests are looked at.
type pollTarget struct {
	address fcgi.Address
	status  string // path of its status page
	list    func(context.Context) ([]fcgi.Process, error)
}

// awaitQuiet ends when no request of any pool of the master is older than
// Quiet. The notes tell what nobody knows and Force passes over.
func (r *restartRun) awaitQuiet(ctx context.Context) (notes []string, err error) {
	if r.memory.OfApache() {
		return r.awaitQuietApache(ctx)
	}
	pools, unknown, err := r.watchedPools(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case r.options.Force && len(unknown) > 0:
		return []string{fmt.Sprintf("%v: %s", ErrQuietUnknown, strings.Join(unknown, ", "))}, nil
	case r.options.Force:
		return nil, nil
	case len(unknown) > 0:
		return nil, errIdleUnknown(unknown)
	}
	return nil, r.waitIdle(ctx, func(ctx context.Context, tolerance time.Duration) error {
		return r.longestRequest(ctx, pools, tolerance)
	})
}

func errIdleUnknown(pools []string) error {
	return hint.With(fmt.Errorf("%w: %w in %s: no status page", ErrNotQuiet, ErrQuietUnknown, strings.Join(pools, ", ")),
		"add pm.status_path = /fpm-status to the pool, and status_path: /fpm-status where relink's configuration names it; or use --force at a quiet moment")
}

// waitIdle polls check until it returns nil, ctx ends or Wait has passed. Without
// WhenQuiet it asks once.
func (r *restartRun) waitIdle(ctx context.Context, check func(ctx context.Context, tolerance time.Duration) error) error {
	bounded, cancel := context.WithTimeout(ctx, r.options.Wait)
	defer cancel()
	since := r.options.Since
	if since.IsZero() && r.options.WhenQuiet {
		since = time.Now()
	}
	for {
		err := check(ctx, r.options.tolerance(since))
		if err == nil || ctx.Err() != nil || !errors.Is(err, ErrNotQuiet) || errors.Is(err, ErrQuietUnknown) {
			return errors.Join(err, ctx.Err())
		}
		if !r.options.WhenQuiet {
			return hint.With(err, "wait for a quiet moment with --when-quiet, or use --force")
		}
		if r.options.Waiting != nil {
			r.options.Waiting(err)
		}
		if pace.Wait(bounded, quietPoll) != nil {
			return errors.Join(err, ctx.Err())
		}
	}
}

// tolerance is the age of a request that a restart may meet. A long request is a
// short one when it begins, and a reload of FPM makes all others wait for it. So
// at first only a moment with very young requests will do, and as time goes by
// older ones, up to Quiet.
func (o Options) tolerance(since time.Time) time.Duration {
	if since.IsZero() {
		return o.Quiet
	}
	return min(o.Quiet, o.Quiet/20+time.Since(since)/4)
}

// watchedPools lists every pool of the master: those that are known, and those
// that FPM's configuration names beside them.
func (r *restartRun) watchedPools(ctx context.Context) (pools []pollTarget, unknown []string, err error) {
	known := r.memory.Addresses()
	for _, p := range r.memory.Pools() {
		if p.StatusPath() == "" {
			unknown = append(unknown, p.Address())
			continue
		}
		pools = append(pools, pollTarget{p.Pool.Address, p.StatusPath(), p.FromScoreboard})
	}
	siblings, err := siblingPools(ctx, r.memory)
	for _, pool := range siblings {
		switch {
		case slices.Contains(known, pool.Address.String()):
		case pool.StatusPath == "":
			unknown = append(unknown, pool.Address.String())
		default:
			pools = append(pools, pollTarget{pool.Address, pool.StatusPath, opcache.StatusPage(pool.Address, pool.StatusPath)})
		}
	}
	return pools, unknown, err
}

// siblingPools lists the pools that the master's configuration names. A caller who
// may not read it knows only the pools of his own configuration.
func siblingPools(ctx context.Context, m *opcache.Cache) ([]php.Pool, error) {
	master, err := m.Find(ctx)
	if err != nil || master.PID == 0 || master.Problem != nil {
		return nil, err
	}
	settings, err := master.Settings(ctx)
	if err != nil {
		return nil, nil
	}
	return settings.Pools, nil
}

// longestRequest names a request that is older than tolerance, as ErrNotQuiet, if there is one.
func (r *restartRun) longestRequest(ctx context.Context, pools []pollTarget, tolerance time.Duration) error {
	for _, pool := range pools {
		workers, err := pool.look(ctx)
		switch {
		case errors.Is(err, fcgi.ErrNoStatusPage):
			return errIdleUnknown([]string{pool.address.String()})
		case errors.Is(err, fcgi.ErrTimeout):
			return fmt.Errorf("%w: pool %s does not answer: all its workers are busy", ErrNotQuiet, pool.address)
		case errors.Is(err, fcgi.ErrNotListening):
			continue // a pool that is down runs nothing
		case err != nil:
			return fmt.Errorf("pool %s: %w", pool.address, err)
		}
		for _, w := range workers {
			if err := blocksRestart(w, pool, tolerance, r.action); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w pollTarget) look(ctx context.Context) ([]fcgi.Process, error) {
	ctx, cancel := context.WithTimeout(ctx, quietCall)
	defer cancel()
	return w.list(ctx)
}

// blocksRestart returns ErrNotQuiet if the worker has been in a request for longer
// than tolerance.
// An idle persistent connection ("Reading headers") is no request, and OPcache
// resets in spite of it; but an FPM reload waits for it as for a request, and
// all others wait with it, for process_control_timeout.
func blocksRestart(p fcgi.Process, pool pollTarget, tolerance time.Duration, action Action) error {
	if p.State == fcgi.StateIdle || p.RequestDuration <= tolerance || strings.HasPrefix(opcache.RequestOf(p), "GET "+pool.status) {
		return nil
	}
	age := p.RequestDuration.Round(time.Second / 10)
	if p.State == fcgi.StateReadingHeaders {
		if action != ReloadFPM {
			return nil
		}
		return hint.With(fmt.Errorf("%w: worker %d of pool %s has been held by a connection without a request for %s", ErrNotQuiet, p.PID, pool.address, age),
			"take enablereuse=on out of Apache's handler (nginx: fastcgi_keep_conn), or restart with --method opcache")
	}
	request := cmp.Or(opcache.RequestOf(p), "a request")
	return fmt.Errorf("%w: worker %d of pool %s has been in %s for %s", ErrNotQuiet, p.PID, pool.address, request, age)
}

// Announce shows each new reason to wait once.
func Announce(line func(format string, args ...any)) func(why error) {
	last := ""
	return func(why error) {
		if what, _, _ := strings.Cut(why.Error(), " for "); what != last {
			last = what
			line("  waiting: %v", why)
		}
	}
}
