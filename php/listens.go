package php

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"relink/fcgi"
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
		takes, err = holdsAny(pid, sockets)
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
	err = eachLine(procPath(pid, "net/unix"), func(fields []string) {
		// Num RefCount Protocol Flags Type St Inode Path
		if len(fields) < 8 || fields[3] != acceptsConnections {
			return
		}
		bound := strings.Join(fields[7:], " ")
		// A pool's own chroot does not count: its socket was bound outside of it.
		if isFile(ours, bound) || isFile(ours, procPath(pid, "root")+bound) {
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
	if theirs, err := os.Stat(procPath(pid, "ns/net")); err != nil || !os.SameFile(ours, theirs) {
		return nil, err
	}
	sockets := map[string]bool{}
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		err := eachLine(procPath(pid, table), func(fields []string) {
			if len(fields) < 10 || fields[3] != tcpListen {
				return
			}
			at, err := parseLocal(fields[1])
			if err == nil && at.Port() == wanted.Port() && (at.Addr().IsUnspecified() || at.Addr() == wanted.Addr().Unmap()) {
				sockets["socket:["+fields[9]+"]"] = true
			}
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return nil, err
		}
	}
	return sockets, nil
}

// parseLocal reads "0100007F:2328": the address as numbers of four bytes each, which
// lie in memory as the network has them, and the port.
func parseLocal(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	bytes, err := hex.DecodeString(host)
	if err != nil || len(bytes)%4 != 0 {
		return netip.AddrPort{}, errors.Join(fmt.Errorf("%q is no address", host), err)
	}
	for word := range slices.Chunk(bytes, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	address, ok := netip.AddrFromSlice(bytes)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", host)
	}
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), nil
}

func eachLine(path string, do func(fields []string)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		do(strings.Fields(lines.Text()))
	}
	return lines.Err()
}
