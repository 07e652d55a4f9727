package fpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/proc"
	"relink/php"
)

// What can keep a reload from being done or from being proven.
var (
	// ErrKillsRequests: with process_control_timeout = 0 FPM kills its workers
	// in the middle of their requests.
	ErrKillsRequests = errors.New("a reload would kill the requests in flight")
	// ErrBadConfig: FPM refuses its configuration, so that it would end instead
	// of coming back. Nothing was done.
	ErrBadConfig = errors.New("PHP-FPM refuses its configuration")
	// ErrNotPermitted: the master belongs to somebody else. Nothing was done.
	ErrNotPermitted = errors.New("not permitted to signal the FPM master")
	// ErrNotMaster: the process is not that FPM master any more. Nothing was done.
	ErrNotMaster = errors.New("no longer that FPM master")
	// ErrNeedsCommand: relink cannot signal this master. Nothing was done.
	ErrNeedsCommand = errors.New("this FPM master can only be reloaded by a command")
	// ErrNotBack: the reload was asked for, and the master or one of its pools
	// has not been seen to serve again.
	ErrNotBack = errors.New("PHP-FPM is not back after its reload")
)

// DefaultReloadLimit bounds a reload and its proof.
const DefaultReloadLimit = 30 * time.Second

// ReloadOptions say how a master is reloaded and how that is proven.
type ReloadOptions struct {
	Command []string      // run without a shell instead of a signal, such as systemctl reload php8.2-fpm
	Limit   time.Duration // for the reload and its proof; 0: DefaultReloadLimit
	Force   bool          // reload although that kills requests in flight, or may
	Pools   []php.Pool    // have to answer with a new OPcache afterwards
	// Before is called when nothing speaks against the reload any more, right
	// before it: it may wait for a quiet moment, and its error prevents the
	// reload. Limit does not bound it. May be nil.
	Before func(context.Context) error
	// Last is called when all is noted that proves the reload, in the moment before
	// it is asked for; its error prevents it. May be nil.
	Last func(context.Context) error
}

// Reload reloads a master and with that starts an empty OPcache, and proves
// it: none of its old workers lives, every pool of o.Pools answers from a new
// OPcache, and every other pool of the master answers.
//
// While a request is in flight, a graceful reload keeps all other requests
// waiting until that one ends or process_control_timeout has passed, and so does
// a persistent connection that nobody uses: call it when the pools are quiet.
//
// The zero Master stands for one that this machine does not show (in a
// container); it is reloaded by a command and proven by o.Pools.
//
// pid is that of the master now: one that runs as a daemon has a new one.
//
// o.Limit bounds the reload and its proof. Before that FPM has 20 s to print 16 MiB of
// configuration and each pool 10 s to answer; where the proof fails FPM has 20 s once more.
func Reload(ctx context.Context, m Master, o ReloadOptions) (pid int, err error) {
	if o.Limit <= 0 {
		o.Limit = DefaultReloadLimit
	}
	if pid, err = reload(ctx, m, o); err != nil {
		return pid, fmt.Errorf("reload %s: %w", m.describe(), err)
	}
	return pid, nil
}

func reload(ctx context.Context, m Master, o ReloadOptions) (pid int, err error) {
	way, err := m.wayTo(ctx, o)
	if err != nil {
		return m.PID, err
	}
	settings, err := m.checkSettings(ctx, o)
	if err == nil && o.Before != nil {
		err = o.Before(ctx)
	}
	if err != nil {
		return m.PID, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	p, err := newProof(ctx, m, settings.Pools, o.Pools)
	if err != nil {
		return m.PID, err
	}
	if o.Last != nil {
		if err := o.Last(ctx); err != nil {
			return m.PID, err
		}
		p.asked = time.Now()
	}
	if err := way(ctx); err != nil {
		return m.PID, err
	}
	err = p.await(ctx)
	return p.now.PID, err
}

// wayTo gives the function that asks for the reload, if there is one.
func (m Master) wayTo(ctx context.Context, o ReloadOptions) (func(context.Context) error, error) {
	if len(o.Command) > 0 {
		return func(ctx context.Context) error { return proc.Run(ctx, o.Command) }, nil
	}
	if m.PID == 0 {
		return nil, hint.With(fmt.Errorf("%w: this machine does not show it (it runs in a container)", ErrNeedsCommand),
			"configure `command` for its pool, such as [docker, kill, --signal=USR2, php]")
	}
	ask, err := m.signalling(ctx)
	if err != nil {
		return nil, err
	}
	if m.Problem != nil {
		return nil, hint.With(fmt.Errorf("%w: %w", ErrNeedsCommand, m.Problem),
			"configure `command` for its pool, such as [systemctl, reload, php8.2-fpm]")
	}
	return ask, nil
}

func (m Master) describe() string {
	switch {
	case m.PID == 0:
		return "an FPM master"
	case m.Config == "":
		return fmt.Sprintf("FPM master %d", m.PID)
	}
	return fmt.Sprintf("FPM master %d (%s)", m.PID, m.Config)
}

// checkSettings reads what the reload depends on, from the configuration as FPM
// itself reads it. Only where a command reloads it may that be unknown.
func (m Master) checkSettings(ctx context.Context, o ReloadOptions) (Settings, error) {
	unknown := Settings{ControlTimeout: -1}
	if m.PID == 0 || m.Problem != nil {
		return unknown, nil
	}
	settings, err := m.Settings(ctx)
	unreadable := os.Geteuid() != 0 && os.Geteuid() != m.UID // the caller is no judge of the files then
	if err != nil && len(o.Command) > 0 && (unreadable || errors.Is(err, ErrEnvironment)) {
		return unknown, nil
	}
	if err != nil || o.Force {
		return settings, err
	}
	started, err := cacheStart(ctx, o.Pools)
	if err != nil {
		return settings, err
	}
	return settings, m.killsRequests(settings.ControlTimeout, started)
}

// killsRequests judges process_control_timeout of a master that has read its
// configuration when its OPcache was started.
func (m Master) killsRequests(timeout time.Duration, started time.Time) error {
	switch {
	case timeout == 0:
		return hint.With(fmt.Errorf("%w: process_control_timeout is 0, PHP's default", ErrKillsRequests),
			"set process_control_timeout = 10s in the [global] section of %s and reload PHP-FPM once (that reload still kills)", m.Config)
	case timeout < 0:
		return hint.With(fmt.Errorf("%w: its process_control_timeout cannot be read", ErrKillsRequests),
			"let relink read the configuration of PHP-FPM, or configure `command` for its pool")
	}
	if changed := m.configChanged(); !started.IsZero() && changed.After(started.Add(time.Second)) {
		return hint.With(fmt.Errorf("%w: %s was changed %s after FPM had read it, so nobody knows whether process_control_timeout was %s then",
			ErrKillsRequests, m.Config, changed.Sub(started).Round(time.Second), timeout),
			"reload PHP-FPM once at a quiet moment: from then on it has the value of the file")
	}
	return nil
}

// answers tells whether a pool answers at all: FPM's "no such script" is an answer.
func answers(ctx context.Context, pool php.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, proofCall)
	defer cancel()
	_, err := fcgi.Call(ctx, pool.Address, fcgi.Request{Script: "/relink-asks-whether-the-pool-answers.php", Limit: 1 << 20})
	if errors.Is(err, fcgi.ErrScriptNotFound) || errors.Is(err, fcgi.ErrExtension) || errors.Is(err, fcgi.ErrScriptUnreadable) {
		return nil
	}
	return err
}
