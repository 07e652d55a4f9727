package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/pace"

	"golang.org/x/sys/unix"
)

const (
	// niceness keeps the unpacking of a repository out of the site's way.
	niceness = 19
	// waitDelay bounds how long the output of a killed git is waited for.
	waitDelay = 2 * time.Second
	// mostOutput bounds what is kept of what git writes: files that the repository
	// holds, and the names of its branches and tags.
	mostOutput = 16 << 20
	// transports are all that git may use: "ext::" in a .gitmodules would run any
	// command.
	transports = "file:git:http:https:ssh"
	// allowVariable is git's own list of transports, which may be the administrator's.
	allowVariable = "GIT_ALLOW_PROTOCOL"
)

// command is one call of the system's git.
type command struct {
	options  []string              // before the verb
	args     []string              // the verb and what is behind it
	env      []string              // added to the environment
	dir      string                // "": /, which everybody may look at, whatever relink was called in
	input    string                // for its standard input
	secrets  []string              // hidden in messages
	progress func(files, of int64) // told of a checkout's; may be nil
	record   func(string) error    // told of what ends with a NUL, which is then not returned; may be nil
}

// output keeps what git writes, or hands it on record by record, in bounded memory.
type output struct {
	kept   bytes.Buffer // not embedded: its ReadFrom would go past Write
	record func(string) error
	err    error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err == nil {
		o.err = o.take(p)
	}
	return len(p), o.err
}

func (o *output) take(p []byte) error {
	o.kept.Write(p)
	for o.record != nil {
		end := bytes.IndexByte(o.kept.Bytes(), 0)
		if end < 0 {
			break
		}
		if err := o.record(string(o.kept.Next(end + 1)[:end])); err != nil {
			return err
		}
	}
	if o.kept.Len() > mostOutput {
		return fmt.Errorf("%w of %d bytes of output", source.ErrTooLarge, mostOutput)
	}
	return nil
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
	cmd := exec.CommandContext(ctx, "git", slices.Concat(alwaysConfig, c.options, c.args)...)
	cmd.Stdin = strings.NewReader(c.input)
	cmd.Dir, cmd.Env = cmp.Or(c.dir, "/"), append(gitEnviron(os.Environ()), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = waitDelay
	stdout := &output{record: c.record}
	stderr := &stderrLog{progress: c.progress}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			err = hint.With(err, "install git (Debian: apt-get install git)")
		}
		return nil, fmt.Errorf("git: %w", err)
	}
	// By group: git's helpers inherit it if they started already. An error means
	// that git has ended, or may not be slowed down; neither matters.
	_ = unix.Setpriority(unix.PRIO_PGRP, cmd.Process.Pid, niceness)
	pace.Began(ctx, cmd.Process.Pid)
	err := cmd.Wait()
	if other := cmp.Or(context.Cause(ctx), stdout.err); other != nil {
		return nil, fmt.Errorf("git %s: %w", c.args[0], other)
	}
	if err != nil {
		// What git wrote is the reason, its status says nothing.
		return nil, fmt.Errorf("git %s: %s", c.args[0], cmp.Or(maskAll(stderr.text(), c.secrets), err.Error()))
	}
	return stdout.kept.Bytes(), nil
}

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
	set, allowed := map[string]bool{}, strings.Split(transports, ":")
	env := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")
		set[name] = true
		if name == allowVariable { // never more than what was allowed
			allowed = slices.DeleteFunc(allowed, func(one string) bool { return !slices.Contains(strings.Split(value, ":"), one) })
		}
		return slices.Contains(repositoryVariables, name)
	})
	env = append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", allowVariable+"="+strings.Join(allowed, ":"), "GIT_PROGRESS_DELAY=0")
	if !set["SSH_ASKPASS_REQUIRE"] { // else it is a program that answers by itself
		env = append(env, "SSH_ASKPASS=")
	}
	if !set["GIT_SSH_COMMAND"] && !set["GIT_SSH"] {
		env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes")
	}
	return env
}
