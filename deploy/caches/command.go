// Package caches is "relink opcache": the report on the caches, their restart, and the
// cache work of deploys that another tool does.
package caches

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"relink/deploy/command"
	"relink/deploy/journal"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/opcache"
	"relink/opcache/report"
	"relink/opcache/restart"
)

// program is what the commands get.
type program struct {
	*cli.Env
	load func() (*config.Config, error)
}

// Command is "relink opcache". load is called when the command line has been read.
func Command(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	p := program{env, load}
	return &cli.Command{
		Name: "opcache", Usage: "report on OPcache, restart it safely, do other tools' cache work",
		Subcommands: []*cli.Command{p.reportCommand(), p.resetCommand(), p.warmCommand(), p.invalidateCommand(), p.refreshCommand()},
	}
}

func appFlag() cli.Flag {
	return &cli.StringFlag{Name: "app", Usage: "only this application and the pools that serve it"}
}

func (p program) reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "tell what the caches hold, what sharing saves, and what the next deploy needs",
		Flags: []cli.Flag{appFlag(), &cli.StringFlag{Name: "format", Usage: "of the results: " + strings.Join(reportFormats, ", ")},
			&cli.DurationFlag{Name: "window", Usage: "take two samples that far apart, for the hits between them"},
			&cli.IntFlag{Name: "top", Usage: "list the `N` largest scripts"},
			&cli.StringFlag{Name: "top-by", Usage: "what makes them large: bytes, hits, or never (bytes that were never hit)"},
			&cli.BoolFlag{Name: "folders", Usage: "list folders instead of scripts"},
			&cli.StringFlag{Name: "html", Usage: "write a page with a map of the memory to this `FILE`, too"},
		},
		Action: p.with(func(ctx context.Context, s *session) error {
			o := ReportOptions{Window: s.Duration("window"), HTML: s.String("html")}
			o.Build = report.Options{Top: s.Int("top"), TopBy: report.Order(s.String("top-by")), TopFolders: s.Bool("folders"),
				MinRequests: min(report.DefaultMinRequests, s.requests)}
			if err := o.validate(); err != nil {
				return usage(err)
			}
			return s.report(ctx, o)
		}, reportFormats...),
	}
}

func (p program) resetCommand() *cli.Command {
	return &cli.Command{
		Name: "reset", Usage: "restart the caches at a quiet moment, prove it, and warm what was hot",
		Flags: []cli.Flag{appFlag(),
			&cli.StringFlag{Name: "method", Usage: "auto, opcache, fpm or apache (default: restart.method of the configuration)"},
			&cli.BoolFlag{Name: "when-quiet", Usage: "wait for a moment at which no request is running"},
			&cli.DurationFlag{Name: "wait", Usage: "wait for it at most that long (default: restart.wait of the configuration)"},
			&cli.BoolFlag{Name: "when-needed", Usage: "only where the figures call for it"},
			&cli.BoolFlag{Name: "force", Usage: "restart in spite of running requests, and of process_control_timeout = 0"},
		},
		Action: p.with(func(ctx context.Context, s *session) error {
			if given := s.String("method"); given != "" {
				s.setup.Method = restart.Method(given)
			}
			s.setup.Restart.WhenQuiet, s.setup.Restart.Force = s.Bool("when-quiet"), s.Bool("force")
			if s.IsSet("wait") {
				s.setup.Restart.WhenQuiet, s.setup.Restart.Wait = true, s.Duration("wait")
			}
			if err := validateRestart(s.setup); err != nil {
				return usage(err)
			}
			return s.reset(ctx, s.Bool("when-needed"))
		}),
	}
}

func (p program) warmCommand() *cli.Command {
	return &cli.Command{
		Name: "warm", Usage: "compile in a new release what is hot of the old one, before links move", ArgsUsage: "DIR",
		Flags: []cli.Flag{appFlag(),
			&cli.StringFlag{Name: "from", Usage: "the old release (default: the one that most instances are on)"},
			&cli.BoolFlag{Name: "force", Usage: "also a release that was in use before, whose old keys come back with it"},
		},
		Action: p.with(func(ctx context.Context, s *session) error {
			return s.warm(ctx, s.String("from"), s.Args().First())
		}),
	}
}

func (p program) invalidateCommand() *cli.Command {
	return &cli.Command{
		Name: "invalidate", Usage: "invalidate a release that nobody uses, or files, by real path and in slices", ArgsUsage: "[FILE...]",
		Flags: []cli.Flag{appFlag(),
			&cli.StringFlag{Name: "release", Usage: "all that the caches hold of this folder"},
			&cli.BoolFlag{Name: "force", Usage: "also a release that is live"},
		},
		Action: p.with(func(ctx context.Context, s *session) error {
			return s.invalidate(ctx, s.String("release"), s.Args().Slice(), s.Bool("force"))
		}),
	}
}

func (p program) refreshCommand() *cli.Command {
	return &cli.Command{
		Name: "refresh", Usage: "do the cache work of a deploy after another tool has moved the links", ArgsUsage: "[LINK...]",
		Flags: []cli.Flag{appFlag(),
			&cli.StringFlag{Name: "from", Usage: "the release that the links led to before"},
			&cli.StringFlag{Name: "to", Usage: "the release that they lead to now"},
			&cli.StringSliceFlag{Name: "link", Usage: "a link that was moved (default: the configured ones that lead to it)"},
			command.APCuFlag,
		},
		Action: p.with(func(ctx context.Context, s *session) error {
			return s.refresh(ctx, s.String("from"), s.String("to"), append(s.StringSlice("link"), s.Args().Slice()...))
		}),
	}
}

// session is one command.
type session struct {
	*cli.Call
	setup    restart.Setup
	chosen   *opcache.App // nil: all
	requests int64        // in a window, for its hit rate to count
	apcu     bool         // is to be cleared with a cut-over
}

// with reads what all the commands read.
func (p program) with(do func(context.Context, *session) error, formats ...string) cli.ActionFunc {
	return p.Action(func(ctx context.Context, c *cli.Call) error {
		read, err := p.load()
		if err != nil {
			return err
		}
		s := &session{Call: c, requests: read.Thresholds.HitRateRequests, apcu: command.ClearsAPCu(c, read)}
		if s.setup, err = restart.FromConfig(read, journal.KnownLinks); err != nil {
			return err
		}
		if name := c.String("app"); name != "" {
			if _, err := read.App(name); err != nil {
				return err
			}
			s.chosen = s.setup.App(name)
		}
		return do(ctx, s)
	}, formats...)
}

func usage(err error) error {
	return hint.With(exit.As(exit.ErrUsage, err), "see relink opcache --help")
}

func (s *session) apps() []opcache.App {
	if s.chosen != nil {
		return []opcache.App{*s.chosen}
	}
	return s.setup.Apps
}

func (s *session) stateFolder() error {
	if err := os.MkdirAll(s.setup.State, 0o755); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// existing makes a folder of the command line real.
func existing(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", path)
	}
	return abs, err
}
