// Package program runs relink as a user would, as a process of its own, and gives its
// report and what it has cost.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"relink/deploy/outcome"
	"relink/internal/hint"
)

// stopWait is what a command gets to come to a safe stop when its context
// ends, before it is killed.
const stopWait = 15 * time.Second

// Program is relink with a configuration.
type Program struct {
	Executable string
	Config     string
	Screen     io.Writer // its progress
}

// Run gives the command's report, which it prints as JSON also when it fails.
// stepped is told each step that has ended; it may be nil.
func (c Program) Run(ctx context.Context, args []string, stepped func(name string)) (outcome.Report, Cost, error) {
	cmd := exec.CommandContext(ctx, c.Executable, append([]string{"--config", c.Config, "--format", "json"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &progressWriter{to: c.Screen, stepped: stepped}
	// Ctrl-C at the terminal goes to its whole foreground group: in a group of
	// its own, the command gets the signal once, from here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = stopWait
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return outcome.Report{}, Cost{}, ctx.Err()
	}
	report, err := readReport(args, out.Bytes(), runErr)
	return report, CostOf(cmd.ProcessState), err
}

// Cost is what a command and all that it started and waited for has cost.
type Cost struct {
	CPU     time.Duration
	Written int64 // bytes, as the kernel accounts for them when a page of a file is made dirty
}

// blockBytes is the unit of ru_oublock: getrusage(2), and task_io_get_oublock() in Linux.
const blockBytes = 512

// CostOf is zero for a command that could not be started.
func CostOf(ended *os.ProcessState) Cost {
	if ended == nil {
		return Cost{}
	}
	usage, is := ended.SysUsage().(*syscall.Rusage)
	if !is {
		return Cost{}
	}
	return Cost{CPU: ended.UserTime() + ended.SystemTime(), Written: usage.Oublock * blockBytes}
}

func readReport(args []string, out []byte, runErr error) (outcome.Report, error) {
	var report outcome.Report
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

// progressWriter passes a command's progress on, line by line, and hears the names of
// its steps.
type progressWriter struct {
	to      io.Writer
	stepped func(name string)
	part    []byte // of a line
}

func (p *progressWriter) Write(data []byte) (int, error) {
	p.part = append(p.part, data...)
	for {
		end := bytes.IndexByte(p.part, '\n')
		if end < 0 {
			return len(data), nil
		}
		line := p.part[:end+1]
		if words := strings.Fields(string(line)); len(words) > 0 && p.stepped != nil {
			p.stepped(words[0])
		}
		_, _ = p.to.Write(line) // nobody to see the progress is no reason to stop
		p.part = p.part[end+1:]
	}
}
