package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/health"
	"relink/health/gather"
	"relink/health/render"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache/restart"
	"relink/php"
)

// stateError carries the exit status of the plugin contract. What it is about
// has been printed, unless err is set.
type stateError struct {
	state health.State
	err   error
}

func (s stateError) Error() string {
	if s.err != nil {
		return s.err.Error()
	}
	return s.state.String()
}

func (s stateError) Unwrap() error { return s.err }

// ExitStatus is that of the plugin contract. Whatever goes wrong in it is UNKNOWN,
// as monitoring expects: elsewhere 2 means wrong usage, here it would mean CRITICAL.
func (s stateError) ExitStatus() int { return int(s.state) }

// Printed tells whether it was printed as part of the results.
func (s stateError) Printed() bool { return s.err == nil }

// Misused makes a command line that could not be understood, and so never came
// to the command, a result as the plugin contract wants it.
func Misused(env *cli.Env, err error) error {
	format := env.Asked
	if !slices.Contains(formats, format) {
		format = "text"
	}
	return (&running{Env: env, format: format}).fail(err)
}

// Formats of the results.
var formats = []string{"text", "json", "nagios", "prometheus"}

// Name is the command's.
const Name = "health"

// Command is "relink health". load is called when the command line has been read.
func Command(env *cli.Env, load func() (*config.Config, error)) *cli.Command {
	return &cli.Command{
		Name: Name, Usage: "check pools, OPcache, links and releases, as monitoring wants it",
		Description: "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, also for a wrong configuration.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "of the results: " + strings.Join(formats, ", ")},
			&cli.StringSliceFlag{Name: "check", Usage: "only these checks or families, by name, separated by commas"},
			&cli.BoolFlag{Name: "explain", Usage: "say what the checks mean, all or those named behind it, and make none"},
			&cli.StringFlag{Name: "textfile", Usage: "write metrics to this `FILE` for node_exporter's textfile collector, and print nothing else"},
		},
		ArgsUsage: "[NAME...]",
		Action: env.Action(func(ctx context.Context, c *cli.Call) error {
			return (&running{Env: env, load: load, format: c.Format}).run(ctx, c)
		}, formats...),
	}
}

func (r *running) run(ctx context.Context, c *cli.Call) error {
	err := r.choose(c)
	switch {
	case err != nil:
	case r.explain:
		err = r.write(render.Explain(r.checks, textWidth))
	default:
		err = r.check(ctx)
	}
	if err != nil {
		return r.fail(err)
	}
	if worst := health.Worst(r.results); worst != health.OK {
		return stateError{state: worst}
	}
	return nil
}

// running is one run of the command.
type running struct {
	*cli.Env
	load     func() (*config.Config, error)
	format   string
	textfile string
	names    []string
	explain  bool
	checks   []health.Check
	facts    health.Facts
	results  []health.Result
}

// choose reads the command line. Only what is checked needs the configuration.
func (r *running) choose(c *cli.Call) (err error) {
	r.textfile, r.explain = c.String("textfile"), c.Bool("explain")
	r.names = append(cli.List(c.StringSlice("check")), cli.List(c.Args().Slice())...)
	if c.Args().Present() && !r.explain {
		return hint.With(fmt.Errorf("%q is one argument too many", c.Args().First()), "name checks with --check %s", c.Args().First())
	}
	if r.textfile != "" && !strings.HasSuffix(r.textfile, ".prom") {
		return hint.With(fmt.Errorf("--textfile %s: node_exporter reads only files whose names end in .prom", r.textfile), "give it such a name")
	}
	r.checks, err = health.Select(r.names, nil)
	return err
}

func (r *running) check(ctx context.Context) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	skip := c.Health.Skip
	if len(r.names) > 0 {
		skip = nil // what is asked for by name is made
	}
	if r.checks, err = health.Select(r.names, skip); err != nil {
		return fmt.Errorf("health.skip: %w", err)
	}
	deps, thresholds := FromConfig(c)
	r.facts = gather.Facts(ctx, deps)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.results = health.Evaluate(r.facts, thresholds, r.checks...)
	return r.print()
}

func (r *running) print() error {
	if r.textfile != "" {
		return render.Textfile(r.textfile, r.facts, r.results)
	}
	switch r.format {
	case "json":
		return ui.JSON(r.Out, render.NewDocument(r.results, r.facts.Time, r.facts.Took))
	case "nagios":
		return r.write(render.Nagios(r.results))
	case "prometheus":
		return render.Prometheus(r.Out, r.facts, r.results)
	}
	terminal, _ := r.Terminal() // results are coloured if they go to one, and the screen is
	return r.write(render.Text(r.results, r.facts.Took, ui.Colors(terminal) && r.Screen().Colors(), textWidth))
}

func (r *running) write(text string) error {
	_, err := io.WriteString(r.Out, text)
	return err
}

// fail makes an error UNKNOWN. Monitoring reads stdout only, so that there it is
// a result; people and the textfile's cron job get it as any other error.
func (r *running) fail(err error) error {
	if r.format == "text" || r.textfile != "" {
		return stateError{health.Unknown, err}
	}
	failed := health.NotMade("relink", err)
	failed.Check = "health"
	r.facts.Time, r.results = time.Now(), []health.Result{failed}
	if printErr := r.print(); printErr != nil {
		return stateError{health.Unknown, errors.Join(err, printErr)}
	}
	return stateError{state: health.Unknown}
}

const textWidth = 80

// FromConfig is what the command looks at and what it takes for in order, for
// others that do the same.
func FromConfig(c *config.Config) (gather.Deps, health.Thresholds) {
	d := gather.Deps{
		Pools: pools(c), Configured: len(c.Pools) > 0, State: c.StateDir,
		Timeout: c.Health.Timeout, Window: c.Health.Window, Samples: gather.Folder(filepath.Join(c.StateDir, "health")),
		MinRequests: c.Thresholds.HitRateRequests,
	}
	if c.Fleet != nil {
		machine, _ := os.Hostname() // without a name it is none of the fleet's hosts
		d.Fleet = gather.Fleet(c.Fleet.At(machine))
	}
	for _, a := range c.Apps {
		app := apps.App{App: a, State: c.StateDir}
		app.Known, _ = journal.KnownLinks(c.StateDir, a.Name) // a history that cannot be read is a finding of its own
		d.Apps = append(d.Apps, app)
	}
	return d, health.Thresholds{
		Bounds: c.Health.Bounds, FreeBytes: c.Thresholds.FreeBytes,
		HitRateRequests: c.Thresholds.HitRateRequests, Settle: c.Timeouts.Settle, Window: c.Health.Window,
	}
}

func pools(c *config.Config) func(context.Context) ([]php.Pool, error) {
	return func(ctx context.Context) ([]php.Pool, error) {
		setup, err := restart.FromConfig(c, journal.KnownLinks)
		if err != nil {
			return nil, err
		}
		fpm, err := setup.FPM(ctx, nil)
		return slices.Concat(fpm, setup.Web(ctx, nil).Pools), err
	}
}
