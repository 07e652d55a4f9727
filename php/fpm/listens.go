package fpm

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"relink/fcgi"
	"relink/internal/proc"
)

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
	err = proc.EachLine(proc.Path(pid, "net/unix"), func(fields []string) {
		// Num RefCount Protocol Flags Type St Inode Path
		if len(fields) < 8 || fields[3] != acceptsConnections {
			return
		}
		bound := strings.Join(fields[7:], " ")
		// A pool's own chroot does not count: its socket was bound outside of it.
		if isFile(ours, bound) || isFile(ours, proc.Path(pid, "root")+bound) {
			sockets["socket:["+fields[6]+"]"] = true
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
	ours, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	if theirs, err := os.Stat(proc.Path(pid, "ns/net")); err != nil || !os.SameFile(ours, theirs) {
		return nil, err
	}
	all, err := proc.TCPSockets(pid)
	sockets := map[string]bool{}
	for _, s := range all {
		if s.Listens && s.Local.Port() == wanted.Port() && (s.Local.Addr().IsUnspecified() || s.Local.Addr() == wanted.Addr().Unmap()) {
			sockets[s.Name] = true
		}
	}
	return sockets, err
}
