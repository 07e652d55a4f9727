package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
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
	env := &cli.Env{Out: os.Stdout, Stderr: os.Stderr}
	err := env.Run(context.Background(), args, Command(env, func() (*config.Config, error) { return config.Load(file) }))
	if errors.Is(err, exit.ErrUsage) {
		err = Misused(env, err)
	}
	if err != nil && !errors.As(err, new(stateError)) {
		fmt.Fprintln(os.Stderr, errors.Join(errors.New("not an error of health"), err))
		return 99
	}
	return env.Finish(err)
}
