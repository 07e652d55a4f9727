package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"relink/internal/cmdline"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/ui"

	"github.com/urfave/cli/v2"
)

// The test binary is also the program, as monitoring runs it.
const asProgram = "RELINK_HEALTH_AS_PROGRAM"

func TestMain(m *testing.M) {
	if file := os.Getenv(asProgram); file != "" {
		os.Exit(program(file, os.Args))
	}
	os.Exit(m.Run())
}

func program(file string, args []string) int {
	app := &cli.App{
		Name: "relink", Writer: os.Stdout, ErrWriter: os.Stderr,
		Flags: []cli.Flag{&cli.StringFlag{Name: "format", Value: "text"}},
		Commands: []*cli.Command{Command(Program{
			Config: func() (*config.Config, error) { return config.Load(file) },
			Screen: func() *ui.Output { return ui.New(os.Stderr, ui.Options{}) },
			Out:    os.Stdout,
		})},
	}
	cmdline.Strict(app)
	err := app.RunContext(context.Background(), append(args[:1:1], cmdline.Arrange(args[1:], cmdline.LevelOf(app))...))
	if err == nil {
		return 0
	}
	if !exit.IsPrinted(err) {
		ui.New(os.Stderr, ui.Options{}).Error(err)
	}
	if !errors.As(err, new(stateError)) {
		fmt.Fprintln(os.Stderr, errors.Join(errors.New("not an error of health"), err))
		return 99
	}
	return exit.Status(err)
}
