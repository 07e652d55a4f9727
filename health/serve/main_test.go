package serve

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"relink/internal/browsertest"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/hint"
)

// The test binary is also the program, as the service manager runs it.
const asProgram = "RELINK_SERVE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if file := os.Getenv(asProgram); file != "" {
		os.Exit(asService(file, os.Args))
	}
	os.Exit(browsertest.Main(m))
}

func asService(file string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	env := &cli.Env{Out: os.Stdout, Stderr: os.Stderr, Version: "test", Getenv: os.Getenv}
	load := func() (*config.Config, error) { return config.Load(file) }
	if err := env.Run(ctx, append(args, "--log-level", "info", "--log-format", "json"), Command(env, load)); err != nil {
		fmt.Fprintln(os.Stderr, err, hint.Of(err))
		return 1
	}
	return 0
}
