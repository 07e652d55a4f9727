// Package command is relink deploy, rollback, status, releases, history, prune and recover.
package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"relink/deploy"
	"relink/deploy/apps"
	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/outcome"
	"relink/deploy/source"
	"relink/deploy/source/registry"
	"relink/deploy/status"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/failpoint"
	"relink/internal/hint"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php/webserver"
)

// program is what the commands get.
type program struct {
	*cli.Env
	load func() (*config.Config, error)
}

// Commands are deploy, rollback, status, releases, history, prune and recover. load is called
// when the command line has been read.
func Commands(env *cli.Env, load func() (*config.Config, error)) []*cli.Command {
	p := program{env, load}
	return append(p.operations(), p.views()...)
}

var (
	appFlag      = &cli.StringFlag{Name: "app", Usage: "the application `NAME`; not needed where there is only one"}
	allFlag      = &cli.BoolFlag{Name: "all", Usage: "all instances"}
	instanceFlag = &cli.StringSliceFlag{Name: "instance", Usage: "these instances, each by its `NAME`, separated by commas"}
	dryRunFlag   = &cli.BoolFlag{Name: "dry-run", Usage: "say what would happen, and change nothing"}
	resetFlag    = &cli.StringFlag{Name: "reset", Usage: "what to do about OPcache: smart, always or never"}
	rebuildFlag  = &cli.BoolFlag{Name: "rebuild", Usage: "build a release of its own although other instances are on one of the same commit"}
	fastFlag     = &cli.BoolFlag{Name: "fast", Usage: "work at full speed, though visitors may notice"}
	smartFlag    = &cli.BoolFlag{Name: "smart-reset", Usage: "the same as --reset smart"}
)

// APCuFlag is of all that ends with a cut-over.
var APCuFlag = &cli.BoolFlag{Name: "apcu", Usage: "clear APCu, the user cache of the pools' PHP, with the cut-over (default: apcu of the configuration)"}

func forceFlag(usage string) cli.Flag { return &cli.BoolFlag{Name: "force", Usage: usage} }

func (p program) operations() []*cli.Command {
	return []*cli.Command{{
		Name: "deploy", Usage: "bring a ref live on some or all instances", ArgsUsage: "REF",
		Flags:  []cli.Flag{appFlag, allFlag, instanceFlag, smartFlag, resetFlag, dryRunFlag, rebuildFlag, APCuFlag, fastFlag, forceFlag("go on although workers are pinned")},
		Action: p.operate(deploy.Run),
	}, {
		Name: "rollback", Usage: "bring instances back to the release before",
		Flags: []cli.Flag{appFlag, allFlag, instanceFlag, &cli.StringFlag{Name: "to", Usage: "this `RELEASE` instead"},
			smartFlag, resetFlag, dryRunFlag, APCuFlag, fastFlag, forceFlag("take a release that is marked bad; go on although workers are pinned")},
		Action: p.operate(deploy.Rollback),
	}, {
		Name: "recover", Usage: "finish or undo what an interrupted deploy left", Flags: []cli.Flag{appFlag, dryRunFlag},
		Action: p.operate(deploy.Recover),
	}, {
		Name: "prune", Usage: "remove releases that are neither live nor kept",
		Flags: []cli.Flag{appFlag, dryRunFlag, fastFlag, forceFlag("do not ask the pools whether a request still uses them")},
		Action: p.with(func(ctx context.Context, s *session) error {
			result, err := deploy.Prune(ctx, s.options, s.deps)
			return s.Show(result, err)
		}),
	}}
}

func (p program) views() []*cli.Command {
	return []*cli.Command{{
		Name: "status", Usage: "show what each instance is on, and what OPcache holds of it", Flags: []cli.Flag{appFlag},
		Action: p.with(func(ctx context.Context, s *session) error {
			result, err := status.Read(ctx, s.options.App, s.reach, webserver.Discover)
			return s.Show(result, err)
		}),
	}, {
		Name: "releases", Usage: "list the releases", Flags: []cli.Flag{appFlag},
		Action: p.with(func(_ context.Context, s *session) error {
			result, err := status.ReadReleases(s.options.App)
			return s.Show(result, err)
		}),
	}, {
		Name: "history", Usage: "list the last deploys and rollbacks, and what became of each",
		Flags: []cli.Flag{appFlag, &cli.IntFlag{Name: "limit", Usage: "at most `N`", Value: 20}},
		Action: p.with(func(_ context.Context, s *session) error {
			if s.Int("limit") < 1 {
				return exit.Usagef("--limit %d is less than 1", s.Int("limit"))
			}
			result, err := status.ReadHistory(s.options.App, s.Int("limit"))
			return s.Show(result, err)
		}),
	}}
}

func (p program) operate(do func(context.Context, deploy.Options, deploy.Deps) (outcome.Report, error)) cli.ActionFunc {
	return p.with(func(ctx context.Context, s *session) error {
		s.options.Ref, s.options.To = s.Args().First(), s.String("to")
		if err := s.choose(); err != nil {
			return err
		}
		report, err := do(ctx, s.options, s.deps)
		return s.Show(report, err)
	})
}

// session is one command with its application.
type session struct {
	*cli.Call
	config  *config.Config
	app     *config.App
	setup   restart.Setup
	served  *opcache.App // the same application, as its caches see it
	options deploy.Options
	deps    deploy.Deps
}

// gcPercent trades memory for CPU time: garbage is collected at normal priority, also that of
// gentle work. A deploy of 5,600 files takes a fifth less of the CPUs than with Go's 100, and
// one of 23,500 at most 61 MB in place of 38.
const gcPercent = 400

func (p program) with(do func(context.Context, *session) error) cli.ActionFunc {
	return p.Action(func(ctx context.Context, c *cli.Call) (err error) {
		debug.SetGCPercent(gcPercent)
		s := &session{Call: c}
		if s.config, err = p.load(); err != nil {
			return err
		}
		if s.app, err = s.config.App(c.String("app")); err != nil {
			return err
		}
		cleanUp, err := s.translate()
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, s), cleanUp())
	})
}

// Open gives what an operation on all instances of an application takes, for commands that
// deploy it together with other hosts.
func Open(c *cli.Call, settings *config.Config, app string) (deploy.Options, deploy.Deps, error) {
	s := &session{Call: c, config: settings}
	var err error
	if s.app, err = settings.App(app); err != nil {
		return deploy.Options{}, deploy.Deps{}, err
	}
	if _, err = s.translate(); err != nil { // which leaves nothing behind but for a dry run
		return deploy.Options{}, deploy.Deps{}, err
	}
	s.options.DryRun, s.options.Instances = false, s.app.Instances
	return s.options, s.deps, nil
}

// choose takes the instances and the policy from the command line.
func (s *session) choose() (err error) {
	if s.Command.Name == "recover" {
		return nil
	}
	if s.options.Instances, err = s.app.Select(s.Bool("all"), cli.List(s.StringSlice("instance"))); err != nil {
		return err
	}
	s.options.Reset, err = chooseReset(s.config.Reset, s.String("reset"), s.Bool("smart-reset"))
	if err == nil && s.Bool("apcu") && s.options.Reset == journal.ResetNever {
		err = exit.Usagef("--apcu and --reset never exclude each other: no PHP is asked for anything then")
	}
	return err
}

// translate turns the configuration into this package's own terms.
func (s *session) translate() (cleanUp func() error, err error) {
	a := s.app
	s.options = deploy.Options{
		App:   apps.App{App: *a, State: s.config.StateDir},
		Reset: journal.Reset(s.config.Reset), Rebuild: s.Bool("rebuild"), DryRun: s.Bool("dry-run"), Force: s.Bool("force"), Command: s.Typed,
		FetchTimeout: s.config.Timeouts.Fetch, Fast: s.Bool("fast"), APCu: ClearsAPCu(s.Call, s.config),
		Thresholds: s.config.Thresholds,
	}
	for _, other := range s.config.Apps {
		if other.Name != a.Name {
			s.options.App.Others = append(s.options.App.Others, other.Releases)
		}
	}
	s.deps = deploy.Deps{Connect: s.connect, Glance: s.glance, Pools: a.Pools, Screen: s.Screen(), Reached: failpoint.Kill(s.Variable("RELINK_KILL_AT"))}
	if len(a.Pools) == 0 {
		for _, pool := range s.config.Pools {
			s.deps.Pools = append(s.deps.Pools, pool.Address)
		}
	}
	if s.setup, err = restart.FromConfig(s.config, journal.KnownLinks); err != nil {
		return nil, err
	}
	s.setup.Options.Gently = !s.options.Fast
	s.served, s.setup.Restart.Waiting = s.setup.App(a.Name), restart.Announce(s.deps.Screen.Line)
	s.options.App.AgentDir, s.options.App.AgentAt = restart.AgentDir(s.config, a.Pools)
	if s.options.App.Known, err = journal.KnownLinks(s.config.StateDir, a.Name); err != nil {
		return nil, err
	}
	s.deps.Source, cleanUp, err = sourceOf(*a, s.options.DryRun)
	return cleanUp, err
}

// sourceOf gives a dry run a cache of its own, which goes with it: even a cache is
// something that it would otherwise have changed.
func sourceOf(a config.App, dryRun bool) (source.Source, func() error, error) {
	spec := registry.Spec{Kind: a.Source.Kind, Location: a.Source.Location, Submodules: a.Source.Submodules, CacheDir: gitCache(a)}
	cleanUp := func() error { return nil }
	if dryRun {
		temporary, err := os.MkdirTemp("", "relink-dry-run-")
		if err != nil {
			return nil, nil, fmt.Errorf("dry run: %w", err)
		}
		spec.CacheDir, cleanUp = temporary+"/cache", func() error { return os.RemoveAll(temporary) }
	}
	opened, err := registry.Open(spec)
	if err != nil {
		return nil, nil, errors.Join(err, cleanUp())
	}
	return opened, cleanUp, nil
}

// gitCache lies beside the releases folder, on the same file system.
func gitCache(a config.App) string { return strings.TrimRight(a.Releases, "/") + ".git-cache" }

// reach finds the PHPs inside of web servers itself.
func (s *session) reach(ctx context.Context) (status.Figures, error) {
	return s.connect(ctx, s.setup.Web(ctx, s.served))
}

// connect reaches the pools that serve the application.
func (s *session) connect(ctx context.Context, web opcache.Web) (deploy.Caches, error) {
	caches, err := s.setup.Connect(ctx, s.served, web)
	if err != nil {
		return nil, err
	}
	return Over(caches, s.setup), nil
}

// glance reaches them where that installs nothing.
func (s *session) glance(ctx context.Context) (deploy.Caches, error) {
	caches, err := s.setup.Glance(ctx, s.served)
	if err != nil || caches == nil {
		return nil, err
	}
	return Over(caches, s.setup), nil
}

// HowServed tells how the instances of all applications are served (config.Serving).
func HowServed(ctx context.Context, c *config.Config, ask bool) ([]config.Served, error) {
	var all []config.Served
	for i := range c.Apps {
		a := &c.Apps[i]
		app := apps.App{App: *a, State: c.StateDir}
		if !ask {
			setUp, err := journal.LastSetUp(app)
			if err != nil {
				return all, err
			}
			if setUp != "" {
				all = append(all, config.Served{App: a.Name, SetUp: string(setUp)})
			}
			continue
		}
		sights, err := front.AskAll(ctx, app)
		if err != nil {
			return all, err
		}
		for _, s := range sights {
			seen := front.Seen(s, s.Answer.File, app.RealReleases())
			all = append(all, config.Served{App: a.Name, Instance: s.Door.Site, SetUp: string(seen.SetUp), Release: seen.Release, By: seen.By, Error: seen.Error, Hints: hint.Of(s.Err)})
		}
	}
	return all, nil
}

// ClearsAPCu lets the command line win over the configuration.
func ClearsAPCu(c *cli.Call, read *config.Config) bool {
	if c.IsSet(APCuFlag.Name) {
		return c.Bool(APCuFlag.Name)
	}
	return read.APCu == config.APCuClear
}

// chooseReset lets the command line win over the configuration.
func chooseReset(configured, given string, smart bool) (journal.Reset, error) {
	reset := journal.Reset(cmp.Or(given, configured))
	if smart {
		if given != "" && reset != journal.ResetSmart {
			return "", exit.Usagef("--smart-reset and --reset %s exclude each other", reset)
		}
		reset = journal.ResetSmart
	}
	switch reset {
	case journal.ResetSmart, journal.ResetAlways, journal.ResetNever:
		return reset, nil
	}
	return "", exit.Usagef("--reset %q is none of smart, always, never", reset)
}
