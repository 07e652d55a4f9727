package demo

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"

	"github.com/urfave/cli/v2"
)

// Program is what the command needs of the program around it.
type Program struct {
	Format     func(*cli.Context) (string, error) // "text" or "json"
	Screen     func() *ui.Output                  // for progress
	Out        io.Writer                          // for the story
	Executable func() (string, error)             // relink itself: os.Executable
	Cache      func() (string, error)             // the user's folder for caches: os.UserCacheDir
}

const (
	fewest = 2
	most   = 500
)

// Command is "relink demo".
func Command(p Program) *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "watch four deploys under load, on a private Apache and PHP",
		Description: "Starts servers on 127.0.0.1 below a folder of its own, and removes both at its end or on Ctrl-C.\n" +
			"The exit status is 1 if a promise did not hold.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "setup", Usage: "how Apache names scripts to PHP: " + setUpNames(), Value: string(Resolved)},
			&cli.IntFlag{Name: "instances", Usage: "the number of sites", Value: 30},
			&cli.BoolFlag{Name: "keep", Usage: "leave the servers running, and say how to use and how to stop them"},
			&cli.StringFlag{Name: "dir", Usage: "the `FOLDER` for everything, new or empty (default: a temporary one)"},
			&cli.StringFlag{Name: "cache", Usage: "the `FOLDER` where DokuWiki is kept for the next demo (default: relink in the user's folder for caches)"},
			&cli.StringFlag{Name: "stop", Usage: "end what --keep left in `FOLDER`, and remove it"},
		},
		Action: p.run,
	}
}

func (p Program) run(c *cli.Context) error {
	if err := p.usage(c); err != nil {
		return err
	}
	if dir := c.String("stop"); dir != "" {
		if err := Stop(dir); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.Out, "The demo in %s is stopped and removed.\n", dir)
		return err
	}
	executable, err := p.Executable()
	if err != nil {
		return fmt.Errorf("demo: find relink itself: %w", err)
	}
	// PHP-FPM's user must be able to read what this process and its children write.
	syscall.Umask(0o022)
	return Run(c.Context, Options{
		SetUp: SetUp(c.String("setup")), Instances: c.Int("instances"), Dir: c.String("dir"), Keep: c.Bool("keep"),
		Cache: p.cache(c.String("cache")), Executable: executable, Out: p.Out, Screen: p.Screen(),
	})
}

// cache is "" for a user without a home.
func (p Program) cache(chosen string) string {
	if chosen != "" {
		return chosen
	}
	user, err := p.Cache()
	if err != nil {
		return ""
	}
	return filepath.Join(user, "relink")
}

func (p Program) usage(c *cli.Context) error {
	format, err := p.Format(c)
	n := c.Int("instances")
	_, setUpErr := ParseSetUp(c.String("setup"))
	switch {
	case err != nil:
		return err
	case format != "text":
		return wrongUsage("the story is told as text only", "leave --format out")
	case c.Args().Present():
		return wrongUsage(fmt.Sprintf("takes no argument, got %q", c.Args().First()), "see relink help demo")
	case setUpErr != nil:
		return wrongUsage("--setup: "+setUpErr.Error(), "there are "+setUpNames())
	case n < fewest || n > most:
		return wrongUsage(fmt.Sprintf("--instances %d: from %d to %d", n, fewest, most), "leave --instances out: 30 is a good number")
	case c.IsSet("stop") && (c.IsSet("dir") || c.IsSet("keep") || c.IsSet("instances") || c.IsSet("setup")):
		return wrongUsage("--stop goes with no other flag", "run relink demo --stop FOLDER")
	}
	return nil
}

// usageError is a exit.ErrUsage whose text needs no "wrong usage" before it.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == exit.ErrUsage }

func wrongUsage(text, advice string) error {
	return hint.With(usageError{errors.New("demo: " + text)}, "%s", advice)
}
