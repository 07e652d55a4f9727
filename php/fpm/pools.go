package fpm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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
// others are returned beside it. Each FPM has 20 s for that, and may print 16 MiB.
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
// them and a PathMap for those that run in a chroot. FPM has 20 s for that, and may print
// 16 MiB.
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

// Takes tells whether a process of this machine takes the connections that are made
// to an address: a worker of FPM holds the socket on which its own pool listens, and
// has closed those of the others (fpm_sockets_cleanup). So the process table proves
// whose worker has answered, however its answer has come.
func Takes(pid int, address fcgi.Address) (bool, error) {
	listeners := tcpListeners
	if address.Network == "unix" {
		listeners = unixListeners
	}
	sockets, err := listeners(pid, address.Path)
	takes := false
	if err == nil {
		takes, err = proc.HoldsAny(pid, sockets)
	}
	if err != nil {
		return false, fmt.Errorf("whether process %d takes connections of %s: %w", pid, address, err)
	}
	return takes, nil
}

// acceptsConnections is the flag of a socket that listens; those of its connections
// have the same path (__SO_ACCEPTCON, proc(5)).
const acceptsConnections = "00010000"

// unixListeners compares the files, not their names: a pool may be in another root.
func unixListeners(pid int, path string) (map[string]bool, error) {
	ours, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	sockets := map[string]bool{}
	add := func(socket, bound string) {
		// A pool's own chroot does not count: its socket was bound outside of it.
		if isFile(ours, bound) || isFile(ours, proc.Path(pid, "root")+bound) {
			sockets[socket] = true
		}
	}
	if own, err := proc.InOwnNetwork(pid); err != nil {
		return nil, err
	} else if all := proc.UnixListeners(); own && len(all) > 0 {
		for _, one := range all {
			add(one.Socket, one.Path)
		}
		return sockets, nil
	}
	// Of another network, such as a container's, only this table tells. Whoever listens in
	// there can forge lines of it.
	err = proc.EachLine(proc.Path(pid, "net/unix"), func(fields []string) {
		// Num RefCount Protocol Flags Type St Inode Path
		if len(fields) >= 8 && fields[3] == acceptsConnections {
			add("socket:["+fields[6]+"]", strings.Join(fields[7:], " "))
		}
	})
	return sockets, err
}

func isFile(wanted os.FileInfo, path string) bool {
	info, err := os.Lstat(path)
	return err == nil && os.SameFile(wanted, info)
}

// tcpListeners is sure only in the caller's own network: elsewhere the same address
// is another one.
func tcpListeners(pid int, address string) (map[string]bool, error) {
	wanted, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, nil // a name: nobody knows here what it means to the pool
	}
	if own, err := proc.InOwnNetwork(pid); err != nil || !own {
		return nil, err
	}
	all, err := proc.TCPListeners(pid)
	sockets := map[string]bool{}
	for _, s := range all {
		if s.Local.Port() == wanted.Port() && (s.Local.Addr().IsUnspecified() || s.Local.Addr() == wanted.Addr().Unmap()) {
			sockets[s.Name] = true
		}
	}
	return sockets, err
}
