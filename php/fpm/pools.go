package fpm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/proc"
	"relink/php"
)

// confTimeout bounds one run of "php-fpm -tt", which only reads files.
const confTimeout = 20 * time.Second

// Pools lists the pools of the FPM masters that run here, in the order
// of the masters' pids, from what FPM itself reads in their configuration files.
// The error names the masters whose pools could not be read; the pools of the
// others are returned beside it.
func Pools(ctx context.Context) ([]php.Pool, error) {
	masters, err := Masters(ctx)
	if err != nil {
		return nil, err
	}
	var pools []php.Pool
	var problems []error
	for _, m := range masters {
		found, err := m.Pools(ctx)
		if err != nil && !proc.Alive(m.PID) {
			continue // ended meanwhile
		}
		pools = append(pools, found...)
		problems = append(problems, err)
	}
	return pools, errors.Join(problems...)
}

// Pools lists the pools of one master, with addresses and paths as the host sees
// them and a PathMap for those that run in a chroot.
func (m Master) Pools(ctx context.Context) ([]php.Pool, error) {
	if m.Problem != nil {
		return nil, m.Problem
	}
	printed, err := m.printConfig(ctx)
	var configs []section
	if err == nil {
		configs, err = parsePools(printed)
	}
	if err != nil {
		return nil, hint.With(fmt.Errorf("pools of FPM master %d: %w", m.PID, err),
			"run %s -y %s -tt to see what FPM says, or name the pools in the configuration", m.Exe, m.Config)
	}
	var pools []php.Pool
	for _, c := range configs {
		pool, err := m.pool(c)
		if err != nil {
			return pools, fmt.Errorf("pool %s of FPM master %d: %w", c.name, m.PID, err)
		}
		pools = append(pools, pool)
	}
	return pools, nil
}

// pool translates paths of the master's root; only its workers are in Chroot.
func (m Master) pool(c section) (php.Pool, error) {
	listen := c.values["listen"]
	if strings.HasPrefix(listen, "/") {
		listen = m.HostPath(listen)
	}
	address, err := fcgi.ParseAddress(dialable(listen))
	if err != nil {
		return php.Pool{}, err
	}
	pool := php.Pool{Name: c.name, Address: address, StatusPath: c.values["pm.status_path"], AgentDir: php.DefaultAgentDir}
	if jail := filepath.Join(m.Root, c.values["chroot"]); jail != "/" {
		pool.PathMap = php.PathMap{{Host: jail, Pool: "/"}}
		pool.AgentDir = filepath.Join(jail, php.DefaultAgentDir)
	}
	return pool, nil
}

// HostPath finds what the master sees at path. It lies below the master's root,
// unless it was mounted there from the same path of the host.
func (m Master) HostPath(path string) string {
	theirs, err := os.Stat(m.proc("root") + path)
	if err != nil {
		return filepath.Join(m.Root, path)
	}
	if ours, err := os.Stat(path); err == nil && os.SameFile(ours, theirs) {
		return path
	}
	return filepath.Join(m.Root, path)
}
