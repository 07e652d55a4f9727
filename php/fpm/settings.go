package fpm

import (
	"context"
	"os"
	"time"

	"relink/php"
)

// Settings are what FPM itself reads in a master's configuration now.
type Settings struct {
	ControlTimeout time.Duration // process_control_timeout; -1 if FPM did not print it
	Pools          []php.Pool    // as Master.Pools gives them
}

// Settings has the master's own binary test and print its configuration. FPM
// ends when it cannot read it at a reload (by then its new image is in place,
// fpm_pctl.c), so that this test is the last chance to notice: ErrBadConfig.
//
// Nothing more can be known of how the master was started: FPM writes its title
// over both its arguments and its environment (fpm_env.c), so that -c, -d, -n, -p
// and PHP_INI_SCAN_DIR are lost.
func (m Master) Settings(ctx context.Context) (Settings, error) {
	unknown := Settings{ControlTimeout: -1}
	if m.Problem != nil {
		return unknown, m.Problem
	}
	printed, err := m.printConfig(ctx)
	if err != nil {
		return unknown, err
	}
	s := Settings{ControlTimeout: parseControlTimeout(printed)}
	configs, _ := parsePools(printed) // none where log_level hides all
	for _, c := range configs {
		if pool, err := m.pool(c); err == nil {
			s.Pools = append(s.Pools, pool)
		}
	}
	return s, nil
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
	info, err := os.Stat(m.HostPath(m.Config))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
