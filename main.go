// Command relink deploys PHP applications to many sites on one server, each a
// symbolic link to a release that they share, without a restart of PHP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"relink/deploy"
	"relink/deploy/apache"
	"relink/deploy/demo"
	"relink/deploy/propose"
	"relink/health"
	"relink/health/command"
	"relink/health/serve"
	"relink/internal/cmdline"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/failpoint"
	"relink/internal/hint"
	"relink/internal/ui"
	opcache "relink/opcache/command"
	"relink/php/webserver"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
)

const defaultConfig = "/etc/relink/relink.yaml"

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr *os.File) int {
	p := &program{out: stdout, err: stderr, reached: failpoint.Kill(os.Getenv("RELINK_KILL_AT"))}
	return p.run(args)
}

func (p *program) run(args []string) int {
	ctx, stop := notified(p.err)
	defer stop()
	p.ctx = ctx
	p.typed, p.asked = strings.Join(args, " "), formatAsked(args)
	app := p.app()
	cmdline.Strict(app)
	level := cmdline.LevelOf(app)
	err := app.RunContext(ctx, append(args[:1:1], cmdline.Arrange(args[1:], level)...))
	if errors.Is(err, exit.ErrUsage) && cmdline.Named(args[1:], level) == command.Name {
		err = p.health().Misused(err, p.asked)
	}
	p.screen().Close()
	p.tell(err)
	return exit.Status(err)
}

// notified is a context that SIGINT, SIGTERM and SIGHUP end. The second signal
// changes nothing and says why: half a cut-over would be worse than a slow one.
// A reader that goes away ("relink ... | head") must not end it in the middle
// either: SIGPIPE is taken, so that the write fails instead. It is not ignored,
// for hooks and git would inherit that.
func notified(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for got := range signals {
			if got == syscall.SIGPIPE {
				continue
			}
			if ctx.Err() != nil {
				fmt.Fprintln(stderr, "relink: stopping; what has begun to switch is finished first")
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel()
	}
}

// program is what the global flags make of the environment.
type program struct {
	ctx      context.Context
	out, err *os.File
	typed    string
	asked    string // the --format, also before the flags are read: an error in them is told in it too
	noColor  bool
	quiet    bool
	path     string
	level    string
	format   string
	output   *ui.Output
	reached  func(point string) // for tests: deploy.Deps.Reached
}

func (p *program) app() *cli.App {
	return &cli.App{
		Name: "relink", Usage: "one PHP release for many sites, moved without a restart", Version: version(),
		EnableBashCompletion: true, Writer: p.out, ErrWriter: p.err,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "the configuration `FILE`", Value: defaultConfig, EnvVars: []string{"RELINK_CONFIG"}, Destination: &p.path},
			&cli.StringFlag{Name: "format", Usage: "of results: text or json", Value: "text"},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn, error or none", Value: "warn", Destination: &p.level},
			&cli.StringFlag{Name: "log-format", Usage: "text or json", Value: "text", Destination: &p.format},
			&cli.BoolFlag{Name: "no-color", Usage: "no colours", EnvVars: []string{"NO_COLOR"}, Destination: &p.noColor},
			&cli.BoolFlag{Name: "quiet", Usage: "no progress", Destination: &p.quiet},
		},
		Commands: p.commands(),
	}
}

// commands are those of each package, in the order of the help.
func (p *program) commands() []*cli.Command {
	return append(deploy.Commands(deploy.Program{
		Config: p.located, Format: resultFormat, Screen: p.screen, Log: p.log, Out: p.out, Typed: p.typed, Reached: p.reached,
	}),
		apache.Command(apache.Program{Config: p.located, Format: resultFormat, Screen: p.screen, Out: p.out}),
		opcache.Command(opcache.Program{Config: p.located, Screen: p.screen, Log: p.log, Out: p.out, Deploys: deploy.Deployed, Known: deploy.KnownLinks}),
		command.Command(p.health()),
		serve.Command(serve.Program{
			Config: p.located, Log: p.log, Version: version(),
			NotifySocket: os.Getenv("NOTIFY_SOCKET"), WatchdogUSec: os.Getenv("WATCHDOG_USEC"),
		}),
		demo.Command(demo.Program{Format: resultFormat, Screen: p.screen, Out: p.out, Executable: os.Executable, Cache: os.UserCacheDir}),
		config.Command(p.config, p.out, p.howServed,
			propose.Command(propose.Program{Path: func() string { return p.path }, Screen: p.screen, Out: p.out})),
		cmdline.Completion(p.out),
	)
}

func (p *program) config() (*config.Config, error) { return config.Load(p.path, health.Names()...) }

// located is the configuration, completed by what the running web servers tell:
// where each site is asked.
func (p *program) located() (*config.Config, error) {
	c, err := p.config()
	if err == nil {
		c.Locate(webserver.Addresses(p.ctx))
	}
	return c, err
}

// howServed asks the sites at the same addresses as a deploy does.
func (p *program) howServed(ctx context.Context, c *config.Config, ask bool) ([]config.Served, error) {
	if ask {
		c.Locate(webserver.Addresses(ctx))
	}
	return deploy.HowServed(ctx, c, ask)
}

func (p *program) health() command.Program {
	return command.Program{Config: p.located, Screen: p.screen, Out: p.out}
}

func resultFormat(c *cli.Context) (string, error) {
	format := c.String("format")
	if format != "text" && format != "json" {
		return "", hint.With(fmt.Errorf("%w: --format %q is neither text nor json", exit.ErrUsage, format), "give --format text or --format json")
	}
	return format, nil
}

func (p *program) screen() *ui.Output {
	if p.output == nil {
		terminal, width := ui.Terminal(p.err)
		p.output = ui.New(p.err, ui.Options{Color: terminal && !p.noColor, Terminal: terminal, Quiet: p.quiet, Width: width})
	}
	return p.output
}

func (p *program) log() zerolog.Logger {
	level, err := zerolog.ParseLevel(p.level)
	if err != nil || p.level == "none" {
		level = zerolog.Disabled
	}
	var to io.Writer = p.screen()
	if p.format != "json" {
		to = zerolog.ConsoleWriter{Out: to, NoColor: !bool(p.screen().Colors())}
	}
	return zerolog.New(to).Level(level).With().Timestamp().Logger()
}

// tell shows an error: as JSON on stdout where that was asked for and no result
// has told it already, else on stderr.
func (p *program) tell(err error) {
	switch {
	case err == nil || exit.IsPrinted(err):
	case p.asked == "json":
		failure := map[string]any{"exit": exit.Status(err), "error": map[string]any{"message": err.Error(), "hints": append([]string{}, hint.Of(err)...)}}
		if deploy.JSON(p.out, failure) == nil {
			return
		}
		fallthrough
	default:
		p.screen().Error(err)
	}
}

// formatAsked is the value of the last --format, "" where there is none.
func formatAsked(args []string) (format string) {
	for i, arg := range args {
		name, value, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case !strings.HasPrefix(arg, "-") || name != "format":
		case inline:
			format = value
		case i+1 < len(args):
			format = args[i+1]
		}
	}
	return format
}

// version is what "go install" and "go build" in a checkout record.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
