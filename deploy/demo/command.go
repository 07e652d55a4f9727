// Package demo is "relink demo": the story of four deploys on a private server,
// under load, with what was measured, and an error if a promise did not hold.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"relink/deploy/demo/compare"
	"relink/internal/cli"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// Options of a demo.
type Options struct {
	SetUp      SetUp
	Instances  int    // sites, at least 2
	Dir        string // for everything; new or empty, and removed at the end; "" is a temporary one
	Keep       bool   // leave servers and folder when the story is told
	Cache      string // where DokuWiki is kept for the next demo; "": relink in the user's folder for caches
	Executable string // relink itself

	Alone time.Duration // how long the load runs alone, to compare with; 0 is 5 s
	Watch time.Duration // how long each command's effects are watched after it; 0 is 2 s
	Pause time.Duration // of each client of the load between two requests

	Out    io.Writer  // the story
	Screen *ui.Output // progress
}

// ErrPromise: the story was told, and something that relink promises did not hold.
var ErrPromise = errors.New("a promise did not hold in this run")

// Run tells the story. When it returns, no process is left and the folder is
// gone, unless Options.Keep is set and the story came to its end.
func Run(ctx context.Context, o Options) error {
	o.Alone, o.Watch = cmp.Or(o.Alone, 5*time.Second), cmp.Or(o.Watch, 2*time.Second)
	tell := teller{out: o.Out, setUp: o.SetUp}
	tell.say("opening", o.Instances)
	s, err := setScene(ctx, o)
	if err != nil {
		return s.leave(ctx, err)
	}
	tell.say("ready", s.shown())
	acts, err := play(ctx, s, tell)
	if err != nil {
		return s.leave(ctx, err)
	}
	tell.summary(acts)
	if o.Keep {
		tell.say("kept", s.shown())
		return errors.Join(promise(acts, o.SetUp, ""), s.lock.Close())
	}
	return s.leave(ctx, promise(acts, o.SetUp, "look at the servers and their logs after it with --keep"))
}

// promise is the error of what did not hold.
func promise(acts []act, setUp SetUp, advice string) error {
	return promiseBroken(brokenBy(acts, setUp), advice)
}

func promiseBroken(broken []string, advice string) error {
	if len(broken) == 0 {
		return nil
	}
	err := fmt.Errorf("%w\n%s", ErrPromise, strings.Join(broken, "\n"))
	if advice == "" {
		return err
	}
	return hint.With(err, "%s", advice)
}

// interrupted says so in place of what the end of ctx made fail.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("demo: %w: its servers are stopped and its folder is removed", exit.ErrInterrupted)
}

const (
	fewest = 2
	most   = 500
)

// Command is "relink demo".
func Command(env *cli.Env) *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "watch four deploys under load, on a private Apache and PHP",
		Description: "Starts servers on 127.0.0.1 below a folder of its own, and removes both at its end or on Ctrl-C.\n" +
			"The exit status is 1 if a promise did not hold.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "setup", Usage: "how Apache names scripts to PHP: " + setUpNames(), Value: string(Resolved)},
			&cli.IntFlag{Name: "instances", Usage: "the number of sites", Value: 30},
			&cli.DurationFlag{Name: "pause", Usage: "of each client of the load between two requests, where the machine has other work too"},
			&cli.BoolFlag{Name: "keep", Usage: "leave the servers running, and say how to use and how to stop them"},
			&cli.StringFlag{Name: "dir", Usage: "the `FOLDER` for everything, new or empty (default: a temporary one)"},
			&cli.StringFlag{Name: "cache", Usage: "the `FOLDER` where DokuWiki is kept for the next demo (default: relink in the user's folder for caches)"},
			&cli.BoolFlag{Name: "compare", Usage: "compare relink with other ways to deploy instead, in two minutes: failed requests, old pages, waits, cost"},
			&cli.StringFlag{Name: "stop", Usage: "end what --keep left in `FOLDER`, and remove it"},
		},
		// The story is told as text only.
		Action: env.Action(run, "text"),
	}
}

func run(ctx context.Context, c *cli.Call) error {
	if err := usage(c); err != nil {
		return err
	}
	if dir := c.String("stop"); dir != "" {
		if err := Stop(dir); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.Out, "The demo in %s is stopped and removed.\n", dir)
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("demo: find relink itself: %w", err)
	}
	// PHP-FPM's user must be able to read what this process and its children write.
	syscall.Umask(0o022)
	if c.Bool("compare") {
		return comparison(ctx, c, executable)
	}
	return Run(ctx, Options{
		SetUp: SetUp(c.String("setup")), Instances: c.Int("instances"), Dir: c.String("dir"), Keep: c.Bool("keep"),
		Pause: c.Duration("pause"), Cache: c.String("cache"), Executable: executable, Out: c.Out, Screen: c.Screen(),
	})
}

// comparison is the demo's other form.
func comparison(ctx context.Context, c *cli.Call, executable string) error {
	setUp := SetUp(c.String("setup"))
	if err := missingPackages(setUp); err != nil {
		return err
	}
	screen := c.Screen()
	broken, err := compare.Short{
		Relink: string(setUp), Sites: c.Int("instances"), Executable: executable, Out: c.Out,
		Say: func(format string, values ...any) { screen.Line("  %s", fmt.Sprintf(format, values...)) },
	}.Run(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	return promiseBroken(broken, "")
}

func usage(c *cli.Call) error {
	n := c.Int("instances")
	switch {
	case !slices.Contains(setUps, SetUp(c.String("setup"))):
		return wrongUsage(fmt.Sprintf("--setup: no set-up %q", c.String("setup")), "there are "+setUpNames())
	case n < fewest || n > most:
		return wrongUsage(fmt.Sprintf("--instances %d: from %d to %d", n, fewest, most), "leave --instances out: 30 is a good number")
	case c.Duration("pause") < 0:
		return wrongUsage(fmt.Sprintf("--pause %s: it cannot be negative", c.Duration("pause")), "leave --pause out: the load then takes what the machine gives")
	case c.Bool("compare") && (c.IsSet("pause") || c.IsSet("stop") || c.IsSet("dir") || c.IsSet("keep") || c.IsSet("cache")):
		return wrongUsage("--compare goes with --setup and --instances only", "run relink demo --compare")
	case c.IsSet("stop") && (c.IsSet("pause") || c.IsSet("dir") || c.IsSet("keep") || c.IsSet("instances") || c.IsSet("setup")):
		return wrongUsage("--stop goes with no other flag", "run relink demo --stop FOLDER")
	}
	return nil
}

func wrongUsage(text, advice string) error {
	return hint.With(exit.Usagef("demo: %s", text), "%s", advice)
}
