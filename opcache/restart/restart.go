package restart

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relink/opcache"
)

// Why a restart was not done.
var (
	// ErrNotQuiet means that a restart was put off because requests are running.
	ErrNotQuiet = errors.New("not quiet")
	// ErrQuietUnknown comes with ErrNotQuiet where nobody can tell. Waiting does not help.
	ErrQuietUnknown = errors.New("nobody knows whether a request is running")
	// ErrPreload means that opcache_reset would keep the preloaded classes.
	ErrPreload = errors.New("opcache_reset keeps preloaded classes")
)

// Options say which caches are restarted, how and when.
type Options struct {
	Method Method   // "" means MethodAuto
	Only   []string // addresses of pools whose cache is meant; none: every cache

	WhenQuiet bool          // wait for a quiet moment; else it has to be quiet now
	Quiet     time.Duration // age of the oldest request in flight, at most
	Since     time.Time     // when a quiet moment was looked for first; zero: now
	Wait      time.Duration // for a quiet moment, at most
	Limit     time.Duration // for one restart and its proof; 0: resetLimit, fpm.DefaultReloadLimit
	Force     bool          // restart in spite of running requests, of what is unknown, and of what it does not cure

	Commands     map[string][]string // reload the master of the pool with this address, instead of a signal
	Apache       string              // control program, for a cache of Apache
	ApacheStatus string              // address of its server status; "": the usual ones

	Warm   bool     // compile the hot set at once
	Unused []string // folders, as the host sees them, of which nothing is hot
	// Moved are releases, as the host sees them, that links have left, each with
	// the one in which its hot scripts are compiled.
	Moved map[string]string

	Waiting func(why error) // told what a quiet moment is waited for; may be nil

	// Switch moves links right before the cache restarts, when nothing speaks
	// against that any more; its error prevents the restart. No quiet moment is
	// looked for then, since each page of the new code would fail meanwhile: that
	// is what CheckRestart is for. May be nil.
	Switch func(context.Context) error
}

// MasterRestart is the restart of one cache.
type MasterRestart struct {
	Pools   []string           `json:"pools"`  // addresses; none for Apache
	PID     int                `json:"pid"`    // of the FPM master or of Apache; 0 where this machine does not show it
	Action  Action             `json:"action"` // what was done
	Time    time.Time          `json:"time"`   // when it was proven
	Before  opcache.Figures    `json:"before"`
	After   opcache.Figures    `json:"after"`  // with the hot set warm
	Proven  bool               `json:"proven"` // false: it has begun, and failed
	Waited  time.Duration      `json:"-"`      // for a quiet moment
	Took    time.Duration      `json:"-"`      // from then to the proof
	Warm    opcache.WarmResult `json:"warm"`
	WarmFor time.Duration      `json:"-"`
	Notes   []string           `json:"notes"` // what else there is to say
}

// errChecked ends a check, right before anything would be done.
var errChecked = errors.New("nothing speaks against it")

// CheckRestart goes through all that has to hold for these restarts, waits for a
// quiet moment as they would, and does nothing. A restart that nobody may do is
// better known before something else has been done that needs it.
func CheckRestart(ctx context.Context, c *opcache.Caches, orders []Order, o Options) error {
	configured := o.Method
	for _, m := range c.All {
		for _, order := range orders {
			if !m.Wanted(order.Pools) {
				continue
			}
			o.Method = configured.toDo(order.Decision)
			r := &restartRun{caches: c, memory: m, options: o, checkOnly: true}
			way, err := r.restartFunc(order.Action == ReloadFPM || order.Renews())
			if err == nil {
				err = way(ctx)
			}
			if !errors.Is(err, errChecked) {
				return fmt.Errorf("restart the OPcache of %s: %w", m.Name(), err)
			}
		}
	}
	return nil
}

// Now empties the caches, one after the other, proves it, and compiles at
// once what was hot, and tells what was done to each, in the order in which it was. It goes on with the next cache where one is not quiet
// (ErrNotQuiet), and stops at every other error. Nothing else may use c meanwhile.
func Now(ctx context.Context, c *opcache.Caches, o Options) ([]MasterRestart, error) {
	if o.Method == MethodApache && !anyOfApache(c) {
		one, err := RestartApache(ctx, o)
		return []MasterRestart{one}, err
	}
	var result []MasterRestart
	var loud error
	for _, m := range c.All {
		if !m.Wanted(o.Only) || o.Method == MethodApache && !m.OfApache() {
			continue
		}
		one, err := restartOne(ctx, c, m, o)
		if err != nil {
			err = fmt.Errorf("restart the OPcache of %s: %w", m.Name(), err)
		}
		if errors.Is(err, ErrNotQuiet) {
			loud = errors.Join(loud, err)
			continue
		}
		if one.Action != "" {
			result = append(result, one)
		}
		if err != nil {
			return result, errors.Join(err, loud)
		}
	}
	return result, loud
}

func restartOne(ctx context.Context, c *opcache.Caches, m *opcache.Cache, o Options) (MasterRestart, error) {
	before, err := m.Status(ctx, c.Options.Timeouts.Call)
	if err != nil {
		return MasterRestart{}, err
	}
	r := &restartRun{caches: c, memory: m, options: o, hot: map[*opcache.KeySpace][]string{}}
	r.done = MasterRestart{Pools: m.Addresses(), PID: m.Master(), Before: opcache.FiguresOf(before), Notes: []string{}}
	way, err := r.restartFunc(len(before.Preload.Scripts) > 0)
	if err != nil {
		return MasterRestart{}, err
	}
	if err := way(ctx); err != nil {
		return r.done, err
	}
	if err := r.finish(ctx); err != nil {
		return r.done, fmt.Errorf("it has been restarted (%s), but: %w", r.done.Action, err)
	}
	r.done.Proven = true
	return r.done, nil
}
