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
	"syscall"

	"relink/deploy/apache"
	"relink/deploy/caches"
	deploy "relink/deploy/command"
	"relink/deploy/demo"
	fleet "relink/deploy/fleet/command"
	"relink/deploy/propose"
	"relink/health"
	"relink/health/command"
	"relink/health/doctor"
	"relink/health/serve"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/php/webserver"
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr *os.File) int {
	ctx, stop := notified(stderr)
	defer stop()
	env := &cli.Env{Out: stdout, Stderr: stderr, Getenv: os.Getenv}
	env.Version, env.Built = cli.Version(released)
	err := env.Run(ctx, args, commands(ctx, env)...)
	if errors.Is(err, exit.ErrUsage) && env.Named == command.Name {
		err = command.Misused(env, err)
	}
	return env.Finish(err)
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

// commands are those of each package, in the order of the help.
func commands(ctx context.Context, env *cli.Env) []*cli.Command {
	load := func() (*config.Config, error) { return config.Load(env.ConfigFile, health.Names()...) }
	// located is completed by what the running web servers tell: where each site is asked.
	located := func() (*config.Config, error) {
		c, err := load()
		if err == nil {
			c.Locate(webserver.Addresses(ctx))
		}
		return c, err
	}
	return append(deploy.Commands(env, located),
		apache.Command(env, located),
		caches.Command(env, located),
		command.Command(env, located),
		doctor.Command(env, located),
		serve.Command(env, located),
		fleet.Command(env, located),
		fleet.Agent(env, located),
		demo.Command(env),
		config.Command(env, load, howServed, propose.Command(env)),
		cli.Completion(env),
		cli.Complete(env, func(ctx context.Context, at cli.Place) []string {
			if at.Command == command.Name && (at.Flag == "" || at.Flag == "check") {
				return health.Names()
			}
			return deploy.Names(ctx, at.Command, at.Flag, at.Given["app"], load)
		}),
		cli.Manual(env),
	)
}

// howServed asks the sites at the same addresses as a deploy does.
func howServed(ctx context.Context, c *config.Config, ask bool) ([]config.Served, error) {
	if ask {
		c.Locate(webserver.Addresses(ctx))
	}
	return deploy.HowServed(ctx, c, ask)
}

// released is the version of a package, which packaging/build sets.
var released string
