package fpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/proc"
	"relink/internal/trust"
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
// whom the master preloads, never those of root. The trial has 30 s, and the last 4 KiB of
// what it prints are kept.
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

// preloader gives the trial the rights with which the master preloads: those of
// opcache.preload_user for a master of root, its own otherwise (ZendAccelerator.c,
// accel_finish_startup).
func (m Master) preloader(preloadUser string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		if m.UID != os.Geteuid() || m.Root != "/" {
			return nil, fmt.Errorf("its master belongs to %s, relink runs as %s", trust.UserName(m.UID), trust.UserName(os.Geteuid()))
		}
		return &syscall.SysProcAttr{}, nil
	}
	who := &syscall.Credential{Uid: uint32(m.UID), Gid: uint32(m.GID)}
	if m.UID == 0 {
		if err := rootsFile(m.HostPath(m.Exe)); err != nil {
			return nil, err
		}
		var err error
		if who, err = credentialOf(preloadUser); err != nil {
			return nil, fmt.Errorf("opcache.preload_user: %w", err)
		}
	}
	attributes := &syscall.SysProcAttr{Credential: who}
	if m.Root != "/" {
		attributes.Chroot = m.proc("root")
	}
	return attributes, nil
}

// credentialOf is a user with all of his groups, who is not root.
func credentialOf(name string) (*syscall.Credential, error) {
	known, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	groups, err := known.GroupIds()
	if err != nil {
		return nil, err
	}
	who := &syscall.Credential{}
	for _, id := range append([]string{known.Uid, known.Gid}, groups...) {
		number, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		who.Groups = append(who.Groups, uint32(number))
	}
	who.Uid, who.Gid, who.Groups = who.Groups[0], who.Groups[1], who.Groups[2:]
	if who.Uid == 0 {
		return nil, errors.New("it is root")
	}
	return who, nil
}

// rootsFile refuses what anybody but root could have put there.
func rootsFile(path string) error {
	if err := trust.Check(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", path)
	}
	return err
}

// settingsFor has the trial read what the master has read. It believes the pool in
// what is its master's settings only where these lie in files of root: they name
// extensions, which are code.
func (m Master) settingsFor(ini php.INIFiles) (args, env []string, err error) {
	if ini.Loaded != "" {
		if err := m.mayRead(ini.Loaded); err != nil {
			return nil, nil, err
		}
		args = []string{"-c", ini.Loaded}
	}
	var folders []string
	for _, file := range ini.Scanned {
		folder := filepath.Dir(file)
		if slices.Contains(folders, folder) {
			continue
		}
		if err := m.mayRead(file); err != nil {
			return nil, nil, err
		}
		folders = append(folders, folder)
	}
	if len(folders) > 0 {
		env = []string{"PHP_INI_SCAN_DIR=" + strings.Join(folders, ":")}
	}
	return args, env, nil
}

func (m Master) mayRead(file string) error {
	if !filepath.IsAbs(file) {
		return fmt.Errorf("its settings %q have no absolute path", file)
	}
	return rootsFile(m.HostPath(file))
}
