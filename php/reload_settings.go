package php

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
)

// MasterSettings are what FPM itself reads in a master's configuration now.
type MasterSettings struct {
	ControlTimeout time.Duration // process_control_timeout; -1 if FPM did not print it
	Pools          []Pool        // as Master.Pools gives them
}

// Settings has the master's own binary test and print its configuration. FPM
// ends when it cannot read it at a reload (by then its new image is in place,
// fpm_pctl.c), so that this test is the last chance to notice: ErrBadConfig.
//
// Nothing more can be known of how the master was started: FPM writes its title
// over both its arguments and its environment (fpm_env.c), so that -c, -d, -n, -p
// and PHP_INI_SCAN_DIR are lost.
func (m Master) Settings(ctx context.Context) (MasterSettings, error) {
	unknown := MasterSettings{ControlTimeout: -1}
	if m.Problem != nil {
		return unknown, m.Problem
	}
	config, remove := m.Config, func() {}
	if m.Root == "/" { // in another root there is no place for a file of ours
		var err error
		if config, remove, err = m.wrapper(); err != nil {
			return unknown, err
		}
	}
	defer remove()
	printed, err := m.printConfig(ctx, config)
	if err != nil {
		return unknown, err
	}
	s := MasterSettings{ControlTimeout: parseControlTimeout(printed)}
	configs, _ := ParsePools(printed) // none where log_level hides all
	for _, c := range configs {
		if pool, err := m.pool(c); err == nil {
			s.Pools = append(s.Pools, pool)
		}
	}
	return s, nil
}

// wrapper makes a configuration that includes the master's: -tt prints at the
// level "notice", which log_level may hide, and it prints into error_log too.
func (m Master) wrapper() (file string, remove func(), err error) {
	f, err := os.CreateTemp("", "relink-fpm-*.conf")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.Remove(f.Name()) }
	_, err = fmt.Fprintf(f, "include=\"%s\"\n[global]\nlog_level=notice\nerror_log=/dev/null\n", m.Config)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		remove()
		return "", nil, err
	}
	return f.Name(), remove, nil
}

// printConfig gives -R in case the master had it: a pool of root's is refused without.
func (m Master) printConfig(ctx context.Context, config string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, confTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.Exe, "-R", "-y", config, "-tt")
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // nobody else may become the master's user
		cmd.SysProcAttr = m.attributes()
	}
	cmd.WaitDelay = time.Second
	printed, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s -tt of %s: %w", m.Exe, m.Config, ctx.Err())
	case err != nil:
		return nil, hint.With(fmt.Errorf("%w and would end at a reload: %s: %w: %s", ErrBadConfig, m.Config, err, complaints(printed)),
			"correct the configuration")
	}
	return printed, nil
}

// complaints drops what -tt prints of a configuration that it then refuses.
func complaints(printed []byte) string {
	lines := bytes.Split(bytes.TrimSpace(printed), []byte("\n"))
	lines = slices.DeleteFunc(lines, func(line []byte) bool { return bytes.Contains(line, []byte("NOTICE: ")) })
	const most = 6 // the first ones are the cause
	return string(bytes.Join(lines[:min(most, len(lines))], []byte("; ")))
}

// parseControlTimeout reads what "php-fpm -tt" prints: every time in seconds, as
// in "10s" (fpm_conf.c). -1: it is not there.
func parseControlTimeout(printed []byte) time.Duration {
	global := false
	for line := range bytes.Lines(printed) {
		line = bytes.TrimRight(line, "\r\n")
		if section := confSection.FindSubmatch(line); section != nil {
			global = string(section[1]) == "global"
			continue
		}
		entry := confEntry.FindSubmatch(line)
		if !global || entry == nil || string(entry[1]) != "process_control_timeout" {
			continue
		}
		if timeout, err := time.ParseDuration(strings.TrimSpace(string(entry[2]))); err == nil && timeout >= 0 {
			return timeout
		}
	}
	return -1
}

// errorLog is the file that the master logs to, as this machine sees it, or "".
// FPM makes its error log its stderr (fpm_stdio.c), unless it logs to a terminal.
func (m Master) errorLog() string {
	path, err := os.Readlink(m.proc("fd/2"))
	if err != nil {
		return ""
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// configChanged is when the file that FPM was started with was last changed.
func (m Master) configChanged() time.Time {
	info, err := os.Stat(m.hostPath(m.Config))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
