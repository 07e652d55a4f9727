package restart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/proc"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/apache"
)

var errHiddenApache = errors.New("this machine does not show the Apache that holds the cache")

// reloadApache restarts Apache gracefully, which starts a new cache in the same
// process; requests in flight go on with the old one, and end. No signal that PHP-FPM
// knows is ever sent there.
func (r *restartRun) reloadApache(ctx context.Context) error {
	r.action = ReloadApache
	if r.memory.Master() == 0 {
		return hint.With(errHiddenApache, "restart it where it runs, such as in its container, or use --method opcache")
	}
	page, _, _ := apacheStatusPage(ctx, r.memory, r.options.ApacheStatus)
	reloaded, err := apache.Reload(ctx, r.options.Apache, apache.ReloadOptions{
		Parent: r.memory.Master(), StatusURL: page, Limit: r.options.Limit,
		Before: r.before, Last: r.last,
	})
	if r.done.Action == "" {
		return err
	}
	if err == nil {
		err = r.awaitNewStart(ctx)
	}
	r.done.Took = time.Since(r.done.Time)
	if n := len(reloaded.Lingering); n > 0 {
		r.done.Notes = append(r.done.Notes, ui.Plural(n, "process")+" of Apache finish their last requests with the old cache")
	}
	return err
}

// awaitNewStart asks the sites until a cache answers that was started after the
// restart was asked for. OPcache counts in seconds.
func (r *restartRun) awaitNewStart(ctx context.Context) error {
	limit := cmp.Or(r.options.Limit, resetLimit)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		now, err := r.memory.Status(ctx, limit)
		if err == nil && now.Statistics.StartTime.Unix() >= r.done.Time.Unix() {
			return nil
		}
		if pace.Wait(ctx, opcache.ResetPoll) != nil {
			return hint.With(errors.Join(fmt.Errorf("the OPcache that answers after the reload of Apache was not started since %s", r.done.Time.Format("15:04:05")), err, ctx.Err()),
				"read Apache's error log")
		}
	}
}

// awaitQuietApache is awaitQuiet for a cache of Apache, by its server status.
func (r *restartRun) awaitQuietApache(ctx context.Context) (notes []string, err error) {
	if !r.options.Force {
		return nil, r.waitIdle(ctx, r.longestApacheRequest)
	}
	if _, _, err := apacheStatusPage(ctx, r.memory, r.options.ApacheStatus); err != nil {
		notes = []string{fmt.Sprintf("%v: %v", ErrQuietUnknown, err)}
	}
	return notes, nil
}

// longestApacheRequest names a request that is older than tolerance, as ErrNotQuiet.
func (r *restartRun) longestApacheRequest(ctx context.Context, tolerance time.Duration) error {
	_, requests, err := apacheStatusPage(ctx, r.memory, r.options.ApacheStatus)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: all processes of Apache are busy: %w", ErrNotQuiet, err)
	}
	if err != nil {
		return hint.With(fmt.Errorf("%w: %w: %w", ErrNotQuiet, ErrQuietUnknown, err),
			"enable mod_status (a2enmod status) and let this machine read /server-status, or name its address under apache.status; or use --force at a quiet moment")
	}
	for _, one := range requests {
		if one.Serves && one.Age > tolerance {
			request, _, _ := strings.Cut(one.Request, " HTTP/")
			return fmt.Errorf("%w: process %d of Apache has been in %s for %s", ErrNotQuiet, one.PID, request, ui.Duration(one.Age))
		}
	}
	return nil
}

// apacheStatusPage finds the server status of this very Apache: the one that is
// configured, at the address of its sites, or at the usual place. Another Apache's
// names other processes.
func apacheStatusPage(ctx context.Context, m *opcache.Cache, configured string) (page string, requests []apache.Request, err error) {
	if m.Master() == 0 {
		return "", nil, errHiddenApache
	}
	pages := []string{configured}
	if configured == "" {
		pages = []string{m.First().Origin() + "server-status", apache.UsualStatusPage}
	}
	var errs []error
	for _, page := range pages {
		requests, err := apache.Requests(ctx, page)
		own := func(one apache.Request) bool {
			parent, err := proc.Parent(ctx, one.PID)
			return err == nil && parent == m.Master()
		}
		if err == nil && !slices.ContainsFunc(requests, own) {
			err = fmt.Errorf("%s is of another Apache than pid %d", page, m.Master())
		}
		if err == nil {
			return page, requests, nil
		}
		errs = append(errs, err)
	}
	return "", nil, errors.Join(errs...)
}

func anyOfApache(c *opcache.Caches) bool {
	return slices.ContainsFunc(c.All, (*opcache.Cache).OfApache)
}

// RestartApache is for a cache that nobody could be asked about.
func RestartApache(ctx context.Context, o Options) (MasterRestart, error) {
	done := MasterRestart{Pools: []string{}, Action: ReloadApache, Time: time.Now(),
		Notes: []string{"only the cache that Apache itself holds (mod_php) is empty: PHP-FPM has its own"}}
	reloaded, err := apache.Reload(ctx, o.Apache, apache.ReloadOptions{StatusURL: o.ApacheStatus, Limit: o.Limit})
	done.PID, done.Took, done.Proven = reloaded.PID, time.Since(done.Time), err == nil
	return done, err
}
