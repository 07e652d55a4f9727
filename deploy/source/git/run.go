package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

const (
	// niceness keeps the unpacking of a repository out of the site's way.
	niceness = 19
	// waitDelay bounds how long the output of a killed git is waited for.
	waitDelay = 2 * time.Second
)

// command is one call of the system's git.
type command struct {
	args     []string
	env      []string // added to the environment
	dir      string
	secrets  []string              // hidden in messages
	progress func(files, of int64) // told of a checkout's; may be nil
}

// alwaysConfig makes git do what it is told and no more: a background gc would
// outlive relink and hold locks in the cache, hooks and fsmonitor are programs
// that a user's configuration would have us run.
var alwaysConfig = []string{
	"-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false",
	"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false",
}

// runGit returns git's standard output. git runs in a session of its own: it
// finds no terminal to ask on, and is killed with its helpers when ctx ends.
func runGit(ctx context.Context, c command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append(slices.Clone(alwaysConfig), c.args...)...)
	cmd.Dir, cmd.Env = c.dir, append(gitEnviron(os.Environ()), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = waitDelay
	var stdout bytes.Buffer
	stderr := &stderrLog{progress: c.progress}
	cmd.Stdout, cmd.Stderr = &stdout, stderr
	if err := cmd.Start(); err != nil {
		return nil, startError(err)
	}
	// By group: git's helpers inherit it if they started already. An error means
	// that git has ended, or may not be slowed down; neither matters.
	_ = unix.Setpriority(unix.PRIO_PGRP, cmd.Process.Pid, niceness)
	err := cmd.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("git %s: %w", c.verb(), context.Cause(ctx))
	}
	if err != nil {
		return nil, &commandError{verb: c.verb(), stderr: maskAll(stderr.text(), c.secrets), err: err}
	}
	return stdout.Bytes(), nil
}

func startError(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return hint.With(fmt.Errorf("git: %w", err), "install git (Debian: apt-get install git)")
	}
	return fmt.Errorf("git: %w", err)
}

// verb is the first argument that is not an option.
func (c command) verb() string {
	for i := 0; i < len(c.args); i++ {
		if c.args[i] == "-c" {
			i++
		} else if !strings.HasPrefix(c.args[i], "-") {
			return c.args[i]
		}
	}
	return ""
}

// commandError is a git that failed: what it wrote is the reason, its status says nothing.
type commandError struct {
	verb, stderr string
	err          error
}

func (e *commandError) Error() string {
	if e.stderr == "" {
		return fmt.Sprintf("git %s: %v", e.verb, e.err)
	}
	return fmt.Sprintf("git %s: %s", e.verb, e.stderr)
}

func (e *commandError) Unwrap() error { return e.err }

// repositoryVariables are those that "git rev-parse --local-env-vars" lists and
// that a Git hook sets: relink run from one must not work in the hook's
// repository. Those that carry configuration stay: CI systems pass tokens so.
var repositoryVariables = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE",
	"GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
	"GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
}

// gitEnviron is environ without what ties git to another repository, and with
// what keeps it from asking questions.
func gitEnviron(environ []string) []string {
	set := map[string]bool{}
	env := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		set[name] = true
		return slices.Contains(repositoryVariables, name)
	})
	// Only these transports: "ext::" in a .gitmodules would run any command.
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "GIT_PROGRESS_DELAY=0")
	if !set["SSH_ASKPASS_REQUIRE"] { // else it is a program that answers by itself
		env = append(env, "SSH_ASKPASS=")
	}
	if !set["GIT_SSH_COMMAND"] && !set["GIT_SSH"] {
		env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
	}
	return env
}
