package fpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
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
// and PHP_INI_SCAN_DIR are lost. FPM has 20 s for the test, and may print 16 MiB.
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

// section is one of the configuration that "php-fpm -tt" prints, with $pool and
// prefixes expanded: "global", or that of a pool.
type section struct {
	name   string
	values map[string]string // without those that are undefined
}

var (
	// "[23-Nov-2026 06:14:52] NOTICE: [www]" and "...NOTICE: <tab>listen = 9000"
	confSection = regexp.MustCompile(`NOTICE: \[(.+)\]\s*$`)
	confEntry   = regexp.MustCompile(`NOTICE: \t([a-z_.]+) = (.*)$`)
)

func sections(printed []byte) (all []section) {
	for line := range strings.Lines(string(printed)) {
		line = strings.TrimRight(line, "\r\n")
		if found := confSection.FindStringSubmatch(line); found != nil {
			all = append(all, section{found[1], map[string]string{}})
		} else if found := confEntry.FindStringSubmatch(line); found != nil && len(all) > 0 {
			if value := strings.TrimSpace(found[2]); value != "undefined" {
				all[len(all)-1].values[found[1]] = value
			}
		}
	}
	return all
}

// parsePools gives the pools' sections; each says where its pool listens.
func parsePools(printed []byte) ([]section, error) {
	pools := slices.DeleteFunc(sections(printed), func(s section) bool { return s.name == "global" })
	if len(pools) == 0 {
		return nil, errors.New("it prints no pool")
	}
	for _, pool := range pools {
		if pool.values["listen"] == "" {
			return nil, fmt.Errorf("pool %s has no listen", pool.name)
		}
	}
	return pools, nil
}

// parseControlTimeout reads process_control_timeout: "php-fpm -tt" prints every time
// in seconds, as in "10s" (fpm_conf.c). -1: it is not there.
func parseControlTimeout(printed []byte) time.Duration {
	for _, one := range sections(printed) {
		timeout, err := time.ParseDuration(one.values["process_control_timeout"])
		if one.name == "global" && err == nil && timeout >= 0 {
			return timeout
		}
	}
	return -1
}

// dialable turns the value of "listen" into the form of an address that a client
// can connect to: FPM also takes a bare port, "*" and the unspecified addresses.
func dialable(listen string) string {
	if strings.HasPrefix(listen, "/") {
		return "unix:" + listen
	}
	host, port := "", listen
	if i := strings.LastIndexByte(listen, ':'); i >= 0 {
		host, port = listen[:i], listen[i+1:]
	}
	switch host {
	case "", "*", "0.0.0.0":
		host = "127.0.0.1"
	case "[::]":
		host = "[::1]"
	}
	return "tcp:" + host + ":" + port
}
