package proc

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
)

// TCPSocket is one in the network of a process.
type TCPSocket struct {
	Name    string // as /proc/PID/fd shows it: "socket:[4711]"
	Local   netip.AddrPort
	Listens bool
}

// tcpListen is the state TCP_LISTEN in /proc/net/tcp (proc(5)).
const tcpListen = "0A"

// TCPSockets are those in the network of a process, which may be other processes'.
func TCPSockets(pid int) ([]TCPSocket, error) {
	var all []TCPSocket
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		err := EachLine(Path(pid, table), func(fields []string) {
			// sl local_address rem_address st queues timer retrnsmt uid timeout inode
			if len(fields) < 10 || fields[9] == "0" {
				return
			}
			if local, err := parseLocal(fields[1]); err == nil { // not the headline
				all = append(all, TCPSocket{"socket:[" + fields[9] + "]", local, fields[3] == tcpListen})
			}
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return nil, err
		}
	}
	return all, nil
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

// Listening are the names of those TCP sockets in the network of a process on which
// somebody listens.
func Listening(pid int) (map[string]bool, error) {
	all, err := TCPSockets(pid)
	listening := map[string]bool{}
	for _, s := range all {
		if s.Listens {
			listening[s.Name] = true
		}
	}
	return listening, err
}

// OpenFiles are those that a process has open, sockets by their names.
func OpenFiles(pid int) (map[string]bool, error) {
	dir := Path(pid, "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for _, entry := range entries {
		if target, err := os.Readlink(dir + "/" + entry.Name()); err == nil {
			open[target] = true
		}
	}
	return open, nil
}

// HoldsAny tells whether a process has one of the sockets open.
func HoldsAny(pid int, sockets map[string]bool) (bool, error) {
	open, err := OpenFiles(pid)
	for name := range open {
		if sockets[name] {
			return true, nil
		}
	}
	return false, err
}

// EachLine calls do with the fields of each line of a table below /proc.
func EachLine(path string, do func(fields []string)) error {
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
