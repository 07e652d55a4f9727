package serve

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"relink/internal/cmdline"
	"relink/internal/config"
	"relink/internal/hint"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
)

// The test binary is also the program, as the service manager runs it.
const asProgram = "RELINK_SERVE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if file := os.Getenv(asProgram); file != "" {
		os.Exit(program(file, os.Args))
	}
	os.Exit(m.Run())
}

func program(file string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	app := &cli.App{Name: "relink", Commands: []*cli.Command{Command(Program{
		Config: func() (*config.Config, error) { return config.Load(file) },
		Log:    func() zerolog.Logger { return zerolog.New(os.Stderr).Level(zerolog.InfoLevel) },

		Version: "test", NotifySocket: os.Getenv("NOTIFY_SOCKET"), WatchdogUSec: os.Getenv("WATCHDOG_USEC"),
	})}}
	cmdline.Strict(app)
	if err := app.RunContext(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, err, hint.Of(err))
		return 1
	}
	return 0
}
