// Package command is relink fleet and relink agent.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"relink/deploy"
	operations "relink/deploy/command"
	"relink/deploy/fleet"
	"relink/deploy/fleet/agent"
	"relink/deploy/fleet/ca"
	"relink/deploy/fleet/depot"
	"relink/deploy/fleet/local"
	"relink/deploy/fleet/store"
	"relink/deploy/lock"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
)

// program is what the commands get.
type program struct {
	*cli.Env
	load func() (*config.Config, error)
}

var (
	appFlag    = &cli.StringFlag{Name: "app", Usage: "the application; not needed where there is only one"}
	hostsFlag  = &cli.StringSliceFlag{Name: "hosts", Usage: "these hosts, by name, separated by commas"}
	labelFlag  = &cli.StringSliceFlag{Name: "label", Usage: "hosts with this label, as `KEY=VALUE`"}
	wavesFlag  = &cli.StringFlag{Name: "waves", Usage: "cut over in waves, such as `1,10%,rest`: the next begins when one is well"}
	quorumFlag = &cli.StringFlag{Name: "quorum", Usage: "hosts that have to come along: a number, a share such as 80%, or all"}
	waitFlag   = &cli.DurationFlag{Name: "wait", Usage: "wait for the end this long, at most; 0s: not at all"}
	dirFlag    = &cli.StringFlag{Name: "dir", Usage: "the `FOLDER` of the certificates", Value: string(ca.Default)}
	hostFlag   = &cli.StringFlag{Name: "host", Usage: "the `NAME` of this host in the fleet; default: what the machine is called"}
	dryRunFlag = &cli.BoolFlag{Name: "dry-run", Usage: "say what would happen, and change nothing"}
)

// Command is "relink fleet". load is called when the command line has been read.
func Command(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	p := program{env, load}
	rollout := []cli.Flag{appFlag, hostsFlag, labelFlag, wavesFlag, quorumFlag, waitFlag, dryRunFlag}
	return &cli.Command{
		Name: "fleet", Usage: "deploy to several hosts at one instant, which agree by etcd",
		Subcommands: []*cli.Command{{
			Name: "deploy", Usage: "bring a ref live on all hosts, or on none", ArgsUsage: "REF",
			Description: "A REF that begins with / or ./ or ../ is an archive or a folder of this host, which the others fetch from it.", Flags: rollout,
			Action: p.with(func(s *session, ctx context.Context) error { return s.rollOut(ctx, s.resolve) }),
		}, {
			Name: "rollback", Usage: "bring the hosts back to the release before",
			Flags:  append([]cli.Flag{&cli.StringFlag{Name: "to", Usage: "to that of this `ROLLOUT` instead (relink fleet history)"}}, rollout...),
			Action: p.with(func(s *session, ctx context.Context) error { return s.rollOut(ctx, s.before) }),
		}, {
			Name: "status", Usage: "show which release each host is on, and how far a rollout has come", Flags: []cli.Flag{appFlag},
			Action: p.with((*session).status),
		}, {
			Name: "history", Usage: "list the last rollouts: who, when, what, and what became of it",
			Flags:  []cli.Flag{appFlag, &cli.IntFlag{Name: "limit", Usage: "at most `N`", Value: 20}},
			Action: p.with((*session).history),
		}, {
			Name: "pause", Usage: "let no rollout begin", Flags: []cli.Flag{appFlag, &cli.StringFlag{Name: "reason", Usage: "why, for the others"}},
			Action: p.with(func(s *session, ctx context.Context) error {
				return s.setPause(ctx, &fleet.Pause{By: s.who(), Reason: s.String("reason"), Since: instant()})
			}, "text"),
		}, {
			Name: "resume", Usage: "let rollouts begin again", Flags: []cli.Flag{appFlag},
			Action: p.with(func(s *session, ctx context.Context) error { return s.setPause(ctx, nil) }, "text"),
		}, {
			Name: "remove", Usage: "take a host out of the fleet that does not come back", ArgsUsage: "HOST",
			Action: p.with((*session).remove, "text"),
		}, {
			Name: "protect", Usage: "have etcd let each host reach what is the fleet's, and nothing else",
			Description: "On the host with the authority, once etcd runs. Gives each host a role, and has etcd ask everybody\nfor a certificate's user from then on. Run again, it mends the role; hosts that join get it by themselves.",
			Action: p.Action(func(ctx context.Context, c *cli.Call) error {
				settings, err := p.load()
				if err != nil {
					return err
				}
				f, err := fleetOf(settings)
				if err != nil {
					return err
				}
				return protect(ctx, f, c.Out)
			}, "text"),
		}, {
			Name: "init", Usage: "make the authority of a fleet, and the certificate of this host",
			Description: "What is there already stays. Prints the lines for the configuration and for etcd.",
			Flags: []cli.Flag{dirFlag, hostFlag,
				&cli.StringFlag{Name: "name", Usage: "of the fleet", Value: "default"},
				&cli.StringSliceFlag{Name: "address", Usage: "at which others reach this host, as `IP`; the first is the one that is printed; default: all that it has"}},
			Action: p.setUp((*setup).initialize),
		}, {
			Name: "token", Usage: "print a token by which one host can join within an hour, on the host that has the authority",
			Flags: []cli.Flag{dirFlag,
				&cli.StringFlag{Name: "host", Usage: "only under this `NAME`, also where it is taken: for a host that joins again"},
				&cli.BoolFlag{Name: "etcd", Usage: "it may be a member of the fleet's etcd, too (relink-etcd)"},
				&cli.StringSliceFlag{Name: "address", Usage: "at which it is reached, as `IP`, beside the one that it joins from"}},
			Action: p.setUp((*setup).token),
		}, {
			Name: "join", Usage: "get the certificate of this host from the one that has the authority", ArgsUsage: "ADDRESS",
			Flags: []cli.Flag{dirFlag, hostFlag,
				&cli.StringFlag{Name: "token", Usage: "of relink fleet token; other users see what is on the command line, and not the variable", EnvVars: []string{"RELINK_TOKEN"}}},
			Action: p.setUp((*setup).join),
		}},
	}
}

// Agent is "relink agent".
func Agent(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	p := program{env, load}
	return &cli.Command{
		Name: "agent", Usage: "take part in a fleet: deploy here what all its hosts are to be on",
		Description: "Answers /readyz for a balancer. Ends at SIGTERM: what has begun to switch is finished first.",
		Action: env.Action(func(ctx context.Context, c *cli.Call) error {
			settings, err := p.load()
			if err != nil {
				return err
			}
			f, err := fleetOf(settings)
			if err != nil {
				return err
			}
			o := agent.Options{Fleet: f, Version: p.Version, Log: *p.Log()}
			if o.ID, err = local.Identity(settings.StateDir); err != nil {
				return err
			}
			o.Depot = depot.In(settings.StateDir, ca.Folder(f.Dir), local.Folders(settings.Apps))
			for _, app := range settings.Apps {
				o.Apps = append(o.Apps, local.Application(app.Name, func() (deploy.Options, deploy.Deps, error) {
					return operations.Open(c, settings, app.Name)
				}, o.Depot))
			}
			return agent.Run(ctx, o)
		}, "text"),
	}
}

// fleetOf fills in what the machine is called.
func fleetOf(c *config.Config) (f config.Fleet, err error) {
	if c.Fleet == nil {
		return f, hint.With(exit.Usagef("%s: this host is in no fleet", c.Path), "say where etcd is: fleet: {etcd: {endpoints: [...]}} (docs/fleet.md)")
	}
	machine, err := os.Hostname()
	if err != nil && c.Fleet.Host == "" {
		return f, fmt.Errorf("fleet.host: %w", err)
	}
	return c.Fleet.At(machine), nil
}

// session is one command with the fleet and an application.
type session struct {
	*cli.Call
	settings *config.Config
	fleet    config.Fleet
	app      string
	store    *store.Store
}

func (p program) with(do func(*session, context.Context) error, formats ...string) cli.ActionFunc {
	return p.Action(func(ctx context.Context, c *cli.Call) (err error) {
		s := &session{Call: c}
		if s.settings, err = p.load(); err != nil {
			return err
		}
		if s.fleet, err = fleetOf(s.settings); err != nil {
			return err
		}
		app, err := s.settings.App(c.String("app"))
		if err != nil {
			return err
		}
		s.app = app.Name
		if s.store, err = store.Open(context.WithoutCancel(ctx), s.fleet); err != nil {
			return err
		}
		return errors.Join(do(s, ctx), s.store.Close())
	}, formats...)
}

// setup is one command with the certificates of this host.
type setup struct {
	*cli.Call
	folder ca.Folder
}

func (p program) setUp(do func(*setup, context.Context) error) cli.ActionFunc {
	return p.Action(func(ctx context.Context, c *cli.Call) error {
		folder, err := filepath.Abs(c.String("dir"))
		if err != nil {
			return err
		}
		return do(&setup{c, ca.Folder(folder)}, ctx)
	}, "text")
}

// open gives the application as a deploy of this host alone would have it.
func (s *session) open() (deploy.Options, deploy.Deps, error) {
	return operations.Open(s.Call, s.settings, s.app)
}

// who asks.
func (s *session) who() string {
	holder := lock.ThisProcess("")
	return holder.User + " on " + holder.Host
}
