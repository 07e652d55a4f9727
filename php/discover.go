package php

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"relink/fcgi"
	"relink/internal/hint"
)

// confTimeout bounds one run of "php-fpm -tt", which only reads files.
const confTimeout = 20 * time.Second

// DiscoverPools lists the pools of the FPM masters that run here, in the order
// of the masters' pids, from what FPM itself reads in their configuration files.
// The error names the masters whose pools could not be read; the pools of the
// others are returned beside it.
func DiscoverPools(ctx context.Context) ([]Pool, error) {
	masters, err := Masters(ctx)
	if err != nil {
		return nil, err
	}
	var pools []Pool
	var problems []error
	for _, m := range masters {
		found, err := m.Pools(ctx)
		if err != nil && !alive(m.PID) {
			continue // ended meanwhile
		}
		pools = append(pools, found...)
		problems = append(problems, err)
	}
	return pools, errors.Join(problems...)
}

// Pools lists the pools of one master, with addresses and paths as the host sees
// them and a PathMap for those that run in a chroot.
func (m Master) Pools(ctx context.Context) ([]Pool, error) {
	if m.Problem != nil {
		return nil, m.Problem
	}
	configs, err := m.PoolConfigs(ctx)
	if err != nil {
		return nil, hint.With(fmt.Errorf("pools of FPM master %d: %w", m.PID, err),
			"run %s -y %s -tt to see what FPM says, or name the pools in the configuration", m.Exe, m.Config)
	}
	var pools []Pool
	for _, c := range configs {
		pool, err := m.pool(c)
		if err != nil {
			return pools, fmt.Errorf("pool %s of FPM master %d: %w", c.Name, m.PID, err)
		}
		pools = append(pools, pool)
	}
	return pools, nil
}

// pool translates paths of the master's root; only its workers are in Chroot.
func (m Master) pool(c PoolConfig) (Pool, error) {
	listen := c.Listen
	if strings.HasPrefix(listen, "/") {
		listen = m.hostPath(listen)
	}
	address, err := fcgi.ParseAddress(dialable(listen))
	if err != nil {
		return Pool{}, err
	}
	pool := Pool{Name: c.Name, Address: address, StatusPath: c.StatusPath, AgentDir: DefaultAgentDir}
	if jail := filepath.Join(m.Root, c.Chroot); jail != "/" {
		pool.PathMap = PathMap{{Host: jail, Pool: "/"}}
		pool.AgentDir = filepath.Join(jail, DefaultAgentDir)
	}
	return pool, nil
}

// hostPath finds what the master sees at path. It lies below the master's root,
// unless it was mounted there from the same path of the host.
func (m Master) hostPath(path string) string {
	theirs, err := os.Stat(m.proc("root") + path)
	if err != nil {
		return filepath.Join(m.Root, path)
	}
	if ours, err := os.Stat(path); err == nil && os.SameFile(ours, theirs) {
		return path
	}
	return filepath.Join(m.Root, path)
}

// PoolConfigs has the master's own binary read its configuration again, with the
// rights of the master's user: a title like that of a master is no reason to run
// another user's file as root.
func (m Master) PoolConfigs(ctx context.Context) ([]PoolConfig, error) {
	pools, err := m.dump(ctx, m.Config)
	if !errors.Is(err, errNoPools) || m.Root != "/" {
		return pools, err
	}
	// FPM prints at the level "notice", which log_level may hide: read it through
	// a file that includes it and sets the level.
	wrapper, remove, err := m.loud()
	if err != nil {
		return nil, err
	}
	defer remove()
	return m.dump(ctx, wrapper)
}

func (m Master) dump(ctx context.Context, config string) ([]PoolConfig, error) {
	ctx, cancel := context.WithTimeout(ctx, confTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.Exe, "-y", config, "-tt")
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = m.attributes()
	cmd.WaitDelay = time.Second
	printed, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -y %s -tt: %w: %s", m.Exe, config, err, lastLines(printed))
	}
	pools, err := ParsePools(printed)
	if err != nil {
		return nil, fmt.Errorf("%s -y %s -tt: %w", m.Exe, config, err)
	}
	return pools, nil
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

func (m Master) loud() (file string, remove func(), err error) {
	f, err := os.CreateTemp("", "relink-fpm-*.conf")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.Remove(f.Name()) }
	_, err = fmt.Fprintf(f, "include=\"%s\"\n[global]\nlog_level=notice\n", m.Config)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		remove()
		return "", nil, err
	}
	return f.Name(), remove, nil
}

func lastLines(printed []byte) string {
	lines := bytes.Split(bytes.TrimSpace(printed), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte("; ")))
}
