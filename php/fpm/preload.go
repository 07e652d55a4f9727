package fpm

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/proc"
	"relink/php"
)

var (
	// ErrPreload: the preload script does not load. A master that ran it at a
	// reload would end, and all its sites with it.
	ErrPreload = errors.New("the preload script does not load")
	// ErrUntried: nobody can tell whether the preload script loads.
	ErrUntried = errors.New("the preload script cannot be tried")
)

// preloadLimit bounds one trial. A reload has to preload within
// DefaultReloadLimit, so that what takes longer does not work anyway.
const preloadLimit = DefaultReloadLimit

// TryPreload runs a preload script, named as this machine sees it, in a process of
// the master's own binary, which starts as the master would at a reload and ends
// where it would have read its pools: a master does not survive a preload script
// that fails (fpm_main.c: no startup, no FPM). It has the rights of the user as
// whom the master preloads, never those of root.
func (m Master) TryPreload(ctx context.Context, script, preloadUser string, ini php.INIFiles) error {
	if m.PID == 0 || m.Problem != nil {
		return fmt.Errorf("%w: %w", ErrUntried, errors.Join(errors.New("this machine does not show its FPM master"), m.Problem))
	}
	attributes, err := m.preloader(preloadUser)
	var args, env []string
	if err == nil {
		args, env, err = m.settingsFor(ini)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUntried, err)
	}
	return m.tryPreload(ctx, php.PathMap{{Host: m.Root, Pool: "/"}}.ToPool(script), args, env, attributes)
}

// exitConfig is FPM's exit status where it has started and its configuration
// names no pool (FPM_EXIT_CONFIG); where it does not start it is FPM_EXIT_SOFTWARE.
// The trial is given no pool, so that it opens no socket and no log.
const exitConfig = 78

func (m Master) tryPreload(ctx context.Context, script string, args, env []string, attributes *syscall.SysProcAttr) error {
	ctx, cancel := context.WithTimeout(ctx, preloadLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.Exe, append(args, "-d", "opcache.preload="+script, "-d", "opcache.file_cache=",
		"-d", "error_log=", "-d", "opcache.error_log=", "-d", "log_errors=1", "-y", "/dev/null", "-t")...)
	cmd.Env = append(env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C")
	var said proc.Tail
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = attributes
	proc.OwnGroup(cmd) // whatever the script starts ends with it
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && context.Cause(ctx) != context.DeadlineExceeded:
		return ctx.Err()
	case ctx.Err() != nil:
		return hint.With(fmt.Errorf("%w: %s has not ended after %s", ErrPreload, script, preloadLimit), "have it load less, or nothing that waits")
	case errors.As(err, &exit) && exit.ExitCode() == exitConfig:
		return nil
	case errors.As(err, &exit):
		return hint.With(fmt.Errorf("%w: %s: %w: %s", ErrPreload, script, err, preloadWhy(string(said.Bytes()))),
			"mend the release; PHP-FPM would have ended at its reload")
	}
	return fmt.Errorf("%w: %w", ErrUntried, err)
}

// preloadWhy is what PHP says of the failure, without the lines that any start prints.
func preloadWhy(said string) string {
	var lines []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); strings.Contains(line, "PHP ") || strings.Contains(line, "Fatal") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return "it ends without a word (does it call exit?)"
	}
	const most = 4 // the last ones are the cause
	return strings.Join(lines[max(0, len(lines)-most):], "; ")
}
