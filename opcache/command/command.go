// Package command has the commands of "relink opcache".
package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/report"
	"relink/opcache/restart"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
)

// Program is what the commands need of the program around them. The functions
// are called when the command line has been read.
type Program struct {
	Config  func() (*config.Config, error)
	Screen  func() *ui.Output // for progress
	Log     func() zerolog.Logger
	Out     io.Writer                                           // for results
	Deploys func(state, app string) ([]opcache.Deployed, error) // recorded deploys of an application
	Known   restart.Known
}

// Command is "relink opcache".
func Command(p Program) *cli.Command {
	return &cli.Command{
		Name: "opcache", Usage: "report on OPcache, restart it safely, and do the cache work of other deploy tools",
		Subcommands: []*cli.Command{p.reportCommand(), p.resetCommand(), p.warmCommand(), p.invalidateCommand(), p.refreshCommand()},
	}
}

func appFlag() cli.Flag {
	return &cli.StringFlag{Name: "app", Usage: "only this application and the pools that serve it"}
}

func formatFlag(formats []string) cli.Flag {
	return &cli.StringFlag{Name: "format", Usage: "of the results: " + strings.Join(formats, ", ")}
}

var plainFormats = []string{"text", "json"}

func (p Program) reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "tell what the caches hold, what sharing saves, and what the next deploy needs",
		Flags: []cli.Flag{appFlag(), formatFlag(reportFormats),
			&cli.DurationFlag{Name: "window", Usage: "take two samples that far apart, for the hits between them"},
			&cli.IntFlag{Name: "top", Usage: "list the `N` largest scripts"},
			&cli.StringFlag{Name: "top-by", Usage: "what makes them large: bytes, hits, or never (bytes that were never hit)"},
			&cli.BoolFlag{Name: "folders", Usage: "list folders instead of scripts"},
			&cli.StringFlag{Name: "html", Usage: "write a page with a map of the memory to this `FILE`, too"},
		},
		Action: func(c *cli.Context) error {
			return p.with(c, reportFormats, 0, func(s *session) error {
				o := ReportOptions{Window: c.Duration("window"), HTML: c.String("html")}
				o.Build = report.Options{Top: c.Int("top"), TopBy: report.Order(c.String("top-by")), TopFolders: c.Bool("folders"),
					MinRequests: min(report.DefaultMinRequests, s.requests)}
				if err := o.validate(); err != nil {
					return usage(err)
				}
				return s.report(c.Context, o)
			})
		},
	}
}

func (p Program) resetCommand() *cli.Command {
	return &cli.Command{
		Name: "reset", Usage: "restart the caches at a quiet moment, prove it, and warm what was hot",
		Flags: []cli.Flag{appFlag(), formatFlag(plainFormats),
			&cli.StringFlag{Name: "method", Usage: "auto, opcache, fpm or apache (default: restart.method of the configuration)"},
			&cli.BoolFlag{Name: "when-quiet", Usage: "wait for a moment at which no request is running"},
			&cli.DurationFlag{Name: "wait", Usage: "wait for it at most that long (default: restart.wait of the configuration)"},
			&cli.BoolFlag{Name: "when-needed", Usage: "only where the figures call for it"},
			&cli.BoolFlag{Name: "force", Usage: "restart in spite of running requests, and of process_control_timeout = 0"},
		},
		Action: func(c *cli.Context) error {
			return p.with(c, plainFormats, 0, func(s *session) error {
				if given := c.String("method"); given != "" {
					s.setup.Method = restart.Method(given)
				}
				s.setup.Restart.WhenQuiet, s.setup.Restart.Force = c.Bool("when-quiet"), c.Bool("force")
				if c.IsSet("wait") {
					s.setup.Restart.WhenQuiet, s.setup.Restart.Wait = true, c.Duration("wait")
				}
				if err := validateRestart(s.setup); err != nil {
					return usage(err)
				}
				return s.reset(c.Context, c.Bool("when-needed"))
			})
		},
	}
}

func (p Program) warmCommand() *cli.Command {
	return &cli.Command{
		Name: "warm", Usage: "compile in a new release what is hot of the old one, before links move", ArgsUsage: "DIR",
		Flags: []cli.Flag{appFlag(), formatFlag(plainFormats),
			&cli.StringFlag{Name: "from", Usage: "the old release (default: the one that most instances are on)"},
			&cli.BoolFlag{Name: "force", Usage: "also a release that was in use before, whose old keys come back with it"},
		},
		Action: func(c *cli.Context) error {
			return p.with(c, plainFormats, 1, func(s *session) error {
				return s.warm(c.Context, c.String("from"), c.Args().First(), c.Bool("force"))
			})
		},
	}
}

func (p Program) invalidateCommand() *cli.Command {
	return &cli.Command{
		Name: "invalidate", Usage: "invalidate a release that nobody uses, or files, by real path and in slices", ArgsUsage: "[FILE...]",
		Flags: []cli.Flag{appFlag(), formatFlag(plainFormats),
			&cli.StringFlag{Name: "release", Usage: "all that the caches hold of this folder"},
			&cli.BoolFlag{Name: "force", Usage: "also a release that is live"},
		},
		Action: func(c *cli.Context) error {
			return p.with(c, plainFormats, anyNumber, func(s *session) error {
				return s.invalidate(c.Context, c.String("release"), c.Args().Slice(), c.Bool("force"))
			})
		},
	}
}

func (p Program) refreshCommand() *cli.Command {
	return &cli.Command{
		Name: "refresh", Usage: "do the cache work of a deploy after another tool has moved the links", ArgsUsage: "[LINK...]",
		Flags: []cli.Flag{appFlag(), formatFlag(plainFormats),
			&cli.StringFlag{Name: "from", Usage: "the release that the links led to before"},
			&cli.StringFlag{Name: "to", Usage: "the release that they lead to now"},
			&cli.StringSliceFlag{Name: "link", Usage: "a link that was moved (default: the configured ones that lead to it)"},
		},
		Action: func(c *cli.Context) error {
			return p.with(c, plainFormats, anyNumber, func(s *session) error {
				return s.refresh(c.Context, c.String("from"), c.String("to"), append(c.StringSlice("link"), c.Args().Slice()...))
			})
		},
	}
}

// anyNumber of arguments.
const anyNumber = -1

// with reads what all the commands read.
func (p Program) with(c *cli.Context, formats []string, arguments int, do func(*session) error) error {
	if n := c.Args().Len(); arguments != anyNumber && n != arguments {
		return usage(fmt.Errorf("opcache %s: takes %s, got %d", c.Command.Name, ui.Plural(arguments, "argument"), n))
	}
	format, err := formatOf(c, formats)
	if err != nil {
		return err
	}
	read, err := p.Config()
	if err != nil {
		return err
	}
	s := &session{format: format, out: p.Out, screen: p.Screen(), log: p.Log(), deploys: p.Deploys, requests: int64(read.Thresholds.HitRateRequests)}
	if s.setup, err = restart.FromConfig(read, p.Known); err != nil {
		return err
	}
	if name := c.String("app"); name != "" {
		if _, err := read.App(name); err != nil {
			return err
		}
		s.chosen = s.setup.App(name)
	}
	return do(s)
}

func usage(err error) error {
	return hint.With(fmt.Errorf("%w: %w", exit.ErrUsage, err), `see "relink opcache help"`)
}

// formatOf is the --format given nearest to the command.
func formatOf(c *cli.Context, known []string) (string, error) {
	for _, level := range c.Lineage() {
		if !level.IsSet("format") {
			continue
		}
		if format := level.String("format"); !slices.Contains(known, format) {
			return "", usage(fmt.Errorf("no format %q: there are %s", format, strings.Join(known, ", ")))
		}
		return level.String("format"), nil
	}
	return "text", nil
}
