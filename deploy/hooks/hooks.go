// Package hooks runs the commands around a switch, bounded in time and output.
package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relink/internal/bounded"
	"relink/internal/hint"
	"relink/internal/pace"

	"golang.org/x/sys/unix"
)

var (
	// ErrTimeout means that a hook was stopped at its time limit.
	ErrTimeout = errors.New("time limit passed")
	// ErrNoPlugins means that Composer succeeded and left out the packages' plugins.
	ErrNoPlugins = errors.New("none of the packages' plugins ran: Composer leaves them out for root without a terminal")
)

const (
	// defaultGrace is what a hook gets between TERM and KILL.
	defaultGrace = 5 * time.Second
	// pipeGrace is how long output is still read after the shell has ended: a
	// process left in the background may hold the pipe open for ever.
	pipeGrace = time.Second
)

// Env is how a hook is run and what it is told: RELINK_APP,
// RELINK_RELEASE, RELINK_RELEASE_DIR, RELINK_PREVIOUS, RELINK_REF and
// RELINK_COMMIT, added to this process's environment.
type Env struct {
	Dir        string // working directory
	App        string // application
	Release    string // id of the new release
	ReleaseDir string // its folder; while it is being built, the staging folder
	Previous   string // id of the release before; empty on a first deploy
	Ref        string // as asked for
	Commit     string // full id; empty when the source has none

	Grace time.Duration // between TERM and KILL; 0 means defaultGrace
}

// Error is a hook command that did not succeed.
type Error struct {
	Name     string // hook, such as build
	Command  string // as configured
	ExitCode int    // -1 when it did not exit by itself
	Output   string // the end of what it wrote: at most 200 lines and 64 KiB
	Err      error  // ErrTimeout, context.Canceled, or what exec says
}

// Error says what failed and ends with the last lines of the output.
func (e *Error) Error() string {
	message := fmt.Sprintf("hook %s: %s: %v", e.Name, e.Command, e.Err)
	if e.Output == "" {
		return message
	}
	const shownLines = 20
	lines := strings.Split(e.Output, "\n")
	return message + "\n  " + strings.Join(lines[max(0, len(lines)-shownLines):], "\n  ")
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// Run runs the commands with sh, one after the other, and stops at the
// first that fails, with a *Error. timeout bounds all of them together; 0
// means that only ctx does. Each line that a command writes is passed to
// output, which may be nil and is never called by two goroutines at once.
//
// A command runs in a session of its own: without a terminal it cannot wait for
// an answer, and it can be ended together with all of its children, by TERM and
// after env.Grace by KILL. Those that have left the session (setsid) are known by the
// environment that they have from it. A line of more than 8 KiB is cut.
func Run(ctx context.Context, name string, commands []string, env Env, timeout time.Duration, output func(line string)) error {
	if timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w: %s", ErrTimeout, timeout))
		defer cancel()
		ctx = limited
	}
	for _, command := range commands {
		if err := runOne(ctx, name, command, env, output); err != nil {
			return err
		}
	}
	return nil
}

func runOne(ctx context.Context, name, command string, env Env, output func(string)) error {
	if ctx.Err() != nil {
		return &Error{Name: name, Command: command, ExitCode: -1, Err: context.Cause(ctx)}
	}
	lines := &lineWriter{emit: output}
	cmd := exec.Command("sh", "-c", command)
	mark := fmt.Sprintf("RELINK_HOOK=%016x", rand.Uint64())
	cmd.Dir, cmd.Stdout, cmd.Stderr = env.Dir, lines, lines
	cmd.Env = append(os.Environ(), "RELINK_APP="+env.App, "RELINK_RELEASE="+env.Release, "RELINK_RELEASE_DIR="+env.ReleaseDir,
		"RELINK_PREVIOUS="+env.Previous, "RELINK_REF="+env.Ref, "RELINK_COMMIT="+env.Commit, mark)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = pipeGrace
	err := runGroup(ctx, cmd, mark, cmp.Or(env.Grace, defaultGrace))
	printed, skipped := lines.close()
	if err == nil && skipped {
		err = ErrNoPlugins
	}
	if err == nil {
		return nil
	}
	failure := &Error{Name: name, Command: command, ExitCode: -1, Output: printed, Err: err}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		failure.ExitCode = exit.ExitCode()
	}
	return hintFor(failure, env.Dir)
}

func hintFor(failure *Error, dir string) error {
	switch {
	case errors.Is(failure, ErrTimeout):
		return hint.With(failure, "raise the time limit of hooks, or make the command faster")
	case errors.Is(failure, ErrNoPlugins):
		return hint.With(failure, "run Composer as another user (runuser -u build -- composer install); or set COMPOSER_ALLOW_SUPERUSER=1 if what the packages bring may run as root, or --no-plugins if none is needed")
	case failure.ExitCode == 127:
		return hint.With(failure, "install the command, or write its full path: hooks are run by sh with the environment of relink")
	case errors.Is(failure, context.Canceled):
		return failure
	default:
		return hint.With(failure, "run the command by hand in %s", dir)
	}
}

// runGroup runs cmd and, when ctx ends first, ends it with all its children.
func runGroup(ctx context.Context, cmd *exec.Cmd, mark string, grace time.Duration) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	pace.Began(ctx, cmd.Process.Pid)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		// The command succeeded; only something it left behind holds its output.
		if errors.Is(err, exec.ErrWaitDelay) {
			return nil
		}
		return err
	case <-ctx.Done():
		endGroup(cmd.Process.Pid, mark, grace)
		<-ended
		return context.Cause(ctx)
	}
}

// endGroup returns when nothing is left of the group and of what has the mark, having
// killed what TERM did not end in time.
func endGroup(group int, mark string, grace time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(grace)
	for signal := unix.SIGTERM; tell(group, mark, signal); signal = unix.Signal(0) {
		select {
		case <-tick.C:
		case <-late:
			tell(group, mark, unix.SIGKILL)
			return
		}
	}
}

// tell sends the signal, and tells whether there was anybody. An error means that the
// process has just ended.
func tell(group int, mark string, signal unix.Signal) bool {
	found := unix.Kill(-group, signal) == nil
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && marked(pid, mark) {
			found = tellOne(pid, mark, signal) || found
		}
	}
	return found
}

// mostEnvironment is more than the kernel lets an environment have (exec.c: 6 MiB).
const mostEnvironment = 8 << 20

func marked(pid int, mark string) bool {
	environ, err := bounded.Process(pid, "environ", mostEnvironment)
	return err == nil && slices.Contains(strings.Split(string(environ), "\x00"), mark)
}

// tellOne looks again when it has the process: the pid may be another's by then.
func tellOne(pid int, mark string, signal unix.Signal) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return marked(pid, mark) && unix.PidfdSendSignal(fd, signal, nil, 0) == nil
}
