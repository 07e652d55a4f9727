package restart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"relink/internal/hint"
	"relink/opcache"
	"relink/php"
	"relink/php/fpm"
)

// restartRun is the restart of one cache under way.
type restartRun struct {
	caches  *opcache.Caches
	memory  *opcache.Cache
	options Options
	hot     map[*opcache.KeySpace][]string
	action  Action        // what is tried
	done    MasterRestart // Action is "" until something has been done

	checkOnly bool
}

// restartFunc gives the function that restarts the cache.
func (r *restartRun) restartFunc(preloaded bool) (func(context.Context) error, error) {
	method, reload, what := MethodFPM, r.reloadFPM, "an FPM reload"
	if r.memory.OfApache() {
		method, reload, what = MethodApache, r.reloadApache, "a graceful restart of Apache"
	}
	explicit := r.options.Method == MethodOPcache
	switch {
	case r.options.Method == method, preloaded && !explicit:
		return reload, nil
	case preloaded && !r.options.Force:
		return nil, hint.With(fmt.Errorf("%w: they stay those of the old code, whatever is compiled anew", ErrPreload),
			"restart with --method %s: only %s runs opcache.preload again", method, what)
	case preloaded:
		r.done.Notes = append(r.done.Notes, "the preloaded classes are still the old ones: only "+what+" replaces them")
	case !explicit:
		return func(ctx context.Context) error { return r.reloadOrReset(ctx, reload, what) }, nil
	}
	return r.resetOPcache, nil
}

// reloadOrReset prefers the reload. Under load opcache_reset() crashes workers
// now and then, quiet or not, and once in a while corrupts the memory for all of
// them (php-src#8739, #14471; measured on 8.2.36: 5 of 348 resets, none of 144
// reloads). Where a reload would kill requests, is not permitted, or is of an Apache
// that apache.control does not control or whose configuration is broken, the reset
// is the lesser evil.
func (r *restartRun) reloadOrReset(ctx context.Context, reload func(context.Context) error, what string) error {
	err := reload(ctx)
	if err == nil || r.done.Action != "" || errors.Is(err, ErrNotQuiet) || errors.Is(err, errChecked) || ctx.Err() != nil {
		return err
	}
	r.done.Notes = append(r.done.Notes, "opcache_reset() instead of "+what+": "+err.Error())
	return r.resetOPcache(ctx)
}

// resetLimit is how long OPcache may take to restart itself.
const resetLimit = 10 * time.Second

func (r *restartRun) resetOPcache(ctx context.Context) error {
	r.action = Reset
	if err := r.before(ctx); err != nil {
		return err
	}
	limit := cmp.Or(r.options.Limit, resetLimit)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.begin()
	err := r.memory.Reset(ctx)
	r.done.Took = time.Since(r.done.Time)
	return err
}

func (r *restartRun) reloadFPM(ctx context.Context) error {
	r.action = ReloadFPM
	var pools []php.Pool
	for _, p := range r.memory.Pools() {
		pools = append(pools, p.Pool)
	}
	master, err := r.memory.Find(ctx)
	if err != nil {
		return err
	}
	r.done.PID, err = fpm.Reload(ctx, master, fpm.ReloadOptions{
		Command: r.command(), Limit: r.options.Limit, Force: r.options.Force, Pools: pools,
		Before: r.before, Last: r.last,
	})
	if r.done.Action != "" {
		r.done.Took = time.Since(r.done.Time)
	}
	return err
}

func (r *restartRun) begin() { r.done.Action, r.done.Time = r.action, time.Now() }

func (r *restartRun) command() []string {
	for _, address := range r.memory.Addresses() {
		if command := r.options.Commands[address]; len(command) > 0 {
			return command
		}
	}
	return nil
}

// before waits for a quiet moment and notes what is hot then. Where no links move right
// before the restart, it begins with that.
func (r *restartRun) before(ctx context.Context) error {
	if r.options.Switch == nil {
		began := time.Now()
		notes, err := r.awaitQuiet(ctx)
		r.done.Waited = time.Since(began)
		r.done.Notes = append(r.done.Notes, notes...)
		if err != nil {
			return err
		}
	}
	if r.checkOnly {
		return errChecked
	}
	if r.options.Warm {
		if err := r.remember(ctx); err != nil {
			return err
		}
	}
	if r.options.Switch == nil {
		r.begin()
	}
	return nil
}

// last moves the links in the moment before a reload, where that is wanted.
func (r *restartRun) last(ctx context.Context) error {
	if r.options.Switch == nil {
		return nil
	}
	if err := r.options.Switch(ctx); err != nil {
		return err
	}
	r.begin()
	return nil
}

// finish warms, and reads what the restart has freed.
func (r *restartRun) finish(ctx context.Context) error {
	if err := r.memory.RefreshPIDs(ctx, r.caches.Options.Timeouts.Call); err != nil {
		return err
	}
	began := time.Now()
	err := r.warm(ctx)
	r.done.WarmFor = time.Since(began)
	if err != nil {
		return err
	}
	after, err := r.memory.Status(ctx, r.caches.Options.Timeouts.Call)
	r.done.After = opcache.FiguresOf(after)
	return err
}
