package fpm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/proc"
)

// mostPrinted bounds what -tt prints: a kilobyte or two for each pool.
const mostPrinted = 16 << 20

// printConfig has the master's own binary test and print its configuration, with
// the rights of the master's user: a title like that of a master is no reason to
// run another user's file as root.
func (m Master) printConfig(ctx context.Context) (printed []byte, err error) {
	if m.Root != "/" { // in another root there is no place for a file of ours
		printed, err = m.test(ctx, m.Config)
	} else {
		printed, err = m.TryConfig(ctx, fmt.Sprintf("include=\"%s\"", m.Config))
	}
	if errors.Is(err, ErrBadConfig) {
		err = m.orEnvironment(err)
	}
	return printed, err
}

// ErrEnvironment: FPM's configuration has ${NAME}, whose value is in the environment
// that the master was started with (systemd's Environment=, docker's --env). FPM writes
// its title over that (fpm_env.c), so that nobody can know it any more.
var ErrEnvironment = errors.New("what PHP-FPM has read in its configuration is not known")

var variable = regexp.MustCompile(`(?m)^[^;#\n]*\$\{([A-Za-z_]\w*)\}`)

// orEnvironment makes of a refusal that it is no judgement where a variable is missing.
func (m Master) orEnvironment(refused error) error {
	text, err := m.FlatConfig(func(path string) string { return path })
	found := variable.FindStringSubmatch(text)
	if err != nil || found == nil {
		return refused
	}
	return hint.With(fmt.Errorf("%w: %s has ${%s}, of the environment of its master", ErrEnvironment, m.Config, found[1]),
		"write the value in place of ${%s}; or name the pools in relink's configuration, with the `command` that reloads them, such as [systemctl, reload, php8.2-fpm]", found[1])
}

// TryConfig has the master's own binary test and print a configuration: a master ends
// at a reload whose configuration it cannot read. -tt prints at the level "notice",
// which log_level may hide, and it prints into error_log too. It has 20 s for the test, and
// may print 16 MiB.
func (m Master) TryConfig(ctx context.Context, text string) ([]byte, error) {
	f, err := os.CreateTemp("", "relink-fpm-*.conf") // 0600: pool files may hold passwords
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text + "\n[global]\nlog_level=notice\nerror_log=/dev/null\n")
	if os.Geteuid() == 0 {
		err = errors.Join(err, f.Chown(m.UID, m.GID))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return m.test(ctx, f.Name())
}

// test gives -R in case the master had it: a pool of root's is refused without.
// It preloads nothing, which would run code of the application.
func (m Master) test(ctx context.Context, config string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, confTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.Exe, "-R", "-d", "opcache.preload=", "-y", config, "-tt")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // nobody else may become the master's user
		cmd.SysProcAttr = m.attributes()
	}
	printed := &proc.Head{Most: mostPrinted, Full: cancel}
	cmd.Stdout, cmd.Stderr = printed, printed
	proc.OwnGroup(cmd)
	err := cmd.Run()
	switch {
	case printed.Cut:
		return nil, fmt.Errorf("%s -tt of %s prints more than %d MiB", m.Exe, m.Config, mostPrinted>>20)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s -tt of %s: %w", m.Exe, m.Config, ctx.Err())
	case err != nil && !errors.As(err, new(*exec.ExitError)): // it says nothing of the configuration
		return nil, hint.With(fmt.Errorf("test %s: %w", m.Config, err), "run relink as root, or as the user of FPM master %d", m.PID)
	case err != nil:
		return nil, hint.With(fmt.Errorf("%w and would end at a reload: %s: %w: %s", ErrBadConfig, m.Config, err, complaints(printed.Bytes())),
			"correct the configuration")
	}
	return printed.Bytes(), nil
}

// complaints drops what -tt prints of a configuration that it then refuses.
func complaints(printed []byte) string {
	lines := bytes.Split(bytes.TrimSpace(printed), []byte("\n"))
	lines = slices.DeleteFunc(lines, func(line []byte) bool { return bytes.Contains(line, []byte("NOTICE: ")) })
	const most = 6 // the first ones are the cause
	return string(bytes.Join(lines[:min(most, len(lines))], []byte("; ")))
}

func (m Master) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{}
	if m.Root != "/" {
		attributes.Chroot = m.proc("root") // with the mounts that only the master may have
	}
	if m.UID != os.Geteuid() {
		attributes.Credential = &syscall.Credential{Uid: uint32(m.UID), Gid: uint32(m.GID)}
	}
	return attributes
}

const (
	maxIncludes    = 4       // levels of FPM's includes (fpm_conf.c)
	maxConfigBytes = 4 << 20 // bounds what is read of one configuration
)

// "include=/etc/php/8.2/fpm/pool.d/*.conf", in any section.
var includeLine = regexp.MustCompile(`^\s*include\s*=\s*"?(/[^";]+?)"?\s*(?:;.*)?$`)

// FlatConfig is what FPM reads at a start: its configuration with each include
// replaced by what that names. Each path is taken to where follow says it leads,
// so that it can be told what FPM will read once links have moved. It reads at most 4 MiB.
func (m Master) FlatConfig(follow func(path string) string) (string, error) {
	if m.Problem != nil {
		return "", m.Problem
	}
	f := flattening{follow: func(path string) string { return follow(m.HostPath(path)) }, left: maxConfigBytes}
	if err := f.add(m.Config, maxIncludes); err != nil {
		return "", fmt.Errorf("read the configuration of FPM master %d: %w", m.PID, err)
	}
	return f.text.String(), nil
}

type flattening struct {
	follow func(path string) string
	left   int64 // bytes that may still be read
	text   strings.Builder
}

func (f *flattening) add(file string, levels int) error {
	content, err := f.read(f.follow(file))
	if err != nil {
		return err
	}
	for line := range strings.Lines(content) {
		found := includeLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if found == nil || levels == 0 {
			f.text.WriteString(line)
			continue
		}
		files, err := filepath.Glob(f.follow(found[1]))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := f.add(file, levels-1); err != nil {
				return err
			}
			f.text.WriteString("\n")
		}
	}
	return nil
}

func (f *flattening) read(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO is not waited for
	if err != nil {
		return "", err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", err // as FPM skips folders
	}
	content, err := io.ReadAll(io.LimitReader(file, f.left+1))
	if f.left -= int64(len(content)); f.left < 0 {
		return "", fmt.Errorf("more than %d MiB of configuration", maxConfigBytes>>20)
	}
	return string(content), err
}
