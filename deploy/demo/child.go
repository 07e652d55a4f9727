package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"relink/deploy"
	"relink/internal/hint"
	"relink/internal/ui"
)

// stopWait is what a command gets to come to a safe stop when the demo is
// interrupted, before it is killed.
const stopWait = 15 * time.Second

// command runs relink as a user would: as a process of its own.
type command struct {
	executable string
	config     string
	screen     *ui.Output // its progress
}

// run gives the command's report, which it prints as JSON also when it fails.
func (c command) run(ctx context.Context, args []string) (deploy.Report, error) {
	cmd := exec.CommandContext(ctx, c.executable, append([]string{"--config", c.config, "--format", "json"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, c.screen
	// Ctrl-C at the terminal goes to its whole foreground group: in a group of
	// its own, the command gets the signal once, from here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopWait
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return deploy.Report{}, ctx.Err()
	}
	return readReport(args, out.Bytes(), runErr)
}

func readReport(args []string, out []byte, runErr error) (deploy.Report, error) {
	var report deploy.Report
	what := "relink " + strings.Join(args, " ")
	if err := json.Unmarshal(out, &report); err != nil {
		return report, errors.Join(fmt.Errorf("%s: %w: its answer is no report: %.200q", what, err, out), runErr)
	}
	if runErr == nil {
		return report, nil
	}
	if report.Error == nil {
		return report, fmt.Errorf("%s: %w", what, runErr)
	}
	err := fmt.Errorf("%s: exit %d: %s", what, report.Exit, report.Error.Message)
	for _, advice := range report.Error.Hints {
		err = hint.With(err, "%s", advice)
	}
	return report, err
}
