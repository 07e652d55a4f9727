package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"relink/deploy/journal"
	"relink/health"
	"relink/health/command"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/opcache/restart"
)

// program is what the command gets.
type program struct {
	*cli.Env
	load func() (*config.Config, error)
}

// Command is "relink serve". load is called when the command line has been read.
func Command(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	p := program{env, load}
	return &cli.Command{
		Name: "serve", Usage: "look at everything again and again: metrics, JSON and a page",
		Description: "Read only. Where other machines can reach it, it needs TLS and a token or client certificates. Ends at SIGTERM.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "at this `ADDRESS` instead of the configured one: 127.0.0.1:9155, [::1]:9155 or unix:/path"},
			&cli.DurationFlag{Name: "interval", Usage: "look this often instead"},
		},
		Action: env.Action(func(ctx context.Context, c *cli.Call) error {
			o, err := p.options(c)
			if err != nil {
				return err
			}
			// A full look of 50,000 scripts leaves much garbage in little time: its peak
			// is to stay below 60 MB.
			debug.SetGCPercent(gcPercent)
			return Run(ctx, o)
		}, "text"),
	}
}

// gcPercent trades a little CPU time for memory, which lasts between looks.
const gcPercent = 40

func (p program) options(c *cli.Call) (Options, error) {
	settings, err := p.load()
	if err != nil {
		return Options{}, err
	}
	if c.IsSet("listen") {
		if settings.Serve.Listen, err = config.ListenAddress(c.String("listen")); err != nil {
			return Options{}, exit.Usagef("--listen: %w", err)
		}
	}
	if c.IsSet("interval") {
		if settings.Serve.Interval = c.Duration("interval"); settings.Serve.Interval < time.Second {
			return Options{}, exit.Usagef("--interval %s: must be at least 1s", settings.Serve.Interval)
		}
	}
	return p.translate(settings)
}

// translate turns the configuration into this package's own terms.
func (p program) translate(c *config.Config) (o Options, err error) {
	o = Options{Serve: c.Serve, Share: usualShare, Limits: usualLimits, Version: p.Version, Log: *p.Log(), Notify: p.notify()}
	o.Health, o.Thresholds = command.FromConfig(c)
	if c.Fleet != nil {
		own := c.Fleet.At(hostname())
		o.Fleet = &own
	}
	if o.Checks, err = health.Select(nil, c.Health.Skip); err != nil {
		return o, fmt.Errorf("health.skip: %w", err)
	}
	o.Resume, err = resumer(c)
	if o.Restart == config.ServeNeeded && err == nil {
		o.Maintain, err = maintainer(c)
	}
	return o, err
}

// notify keeps no watchdog where its interval cannot be read.
func (p program) notify() Notify {
	microseconds, err := strconv.ParseInt(p.Variable("WATCHDOG_USEC"), 10, 64)
	if err != nil || microseconds < 0 {
		microseconds = 0
	}
	return Notify{Socket: p.Variable("NOTIFY_SOCKET"), Watchdog: time.Duration(microseconds) * time.Microsecond}
}

// maintainer decides as "opcache reset --when-needed" does. The hit rate is that since
// it was asked last.
func maintainer(c *config.Config) (Maintain, error) {
	setup, err := restart.FromConfig(c, journal.KnownLinks)
	setup.Restart.Wait, setup.Queue = 0, restart.Queue{Dir: c.StateDir, By: "relink serve"}
	return func(ctx context.Context, unused []string) (restart.MaintenanceResult, error) {
		setup.Restart.Unused = unused
		result, err := setup.MaintainEach(ctx, setup.Apps, false)
		if err != nil {
			return result, err
		}
		caches, err := setup.Reach(ctx, nil)
		if err == nil {
			setup.Before, err = caches.Usage(ctx)
		}
		return result, err
	}, err
}

// resumer connects anew at each try: pools and masters come and go. No try waits
// for a quiet moment: another one comes.
func resumer(c *config.Config) (Resume, error) {
	setup, err := restart.FromConfig(c, journal.KnownLinks)
	queue := restart.Queue{Dir: c.StateDir, By: "relink serve"}
	return func(ctx context.Context, unused []string) (restart.Outcome, error) {
		caches, err := setup.Reach(ctx, nil)
		if err != nil {
			return restart.Outcome{}, err
		}
		o := setup.Restart
		o.Unused, o.Wait = unused, 0
		return queue.Resume(ctx, caches, o)
	}, err
}
