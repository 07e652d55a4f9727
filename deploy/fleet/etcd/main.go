// Command relink-etcd is a member of the etcd by which a fleet of relink's agrees, for one host
// or three: etcd's own server, set up by the fleet's certificates.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"relink/internal/cli"
)

// released is the version of a package, which packaging/build sets.
var released string

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr *os.File) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &cli.Env{Program: "relink-etcd", About: "a member of the etcd by which a fleet agrees (docs/fleet.md)", Out: stdout, Stderr: stderr, Getenv: os.Getenv}
	env.Version, env.Built = cli.Version(released)
	return env.Finish(env.Run(ctx, args, commands(env)...))
}
