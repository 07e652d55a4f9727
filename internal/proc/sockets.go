package proc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"relink/internal/bounded"

	"github.com/prometheus/procfs"
)

// TCPSocket is one in the network of a process.
type TCPSocket struct {
	Name    string // as /proc/PID/fd shows it: "socket:[4711]"
	Local   netip.AddrPort
	Listens bool
}

// tcpListen is the state TCP_LISTEN in /proc/net/tcp (proc(5)).
const tcpListen = "0A"

// TCPSockets are those in the network of a process, which may be other processes', without
// what is left of connections that have ended: a busy web server has tens of thousands of
// these. It reads 64 MiB at most.
func TCPSockets(pid int) ([]TCPSocket, error) { return tcpSockets(pid, allStates&^(1<<stateTimeWait)) }

// TCPListeners are those of them on which somebody listens, which are found sooner.
func TCPListeners(pid int) ([]TCPSocket, error) {
	all, err := tcpSockets(pid, 1<<stateListen)
	return slices.DeleteFunc(all, func(s TCPSocket) bool { return !s.Listens }), err
}

// tcpSockets are at least those in the states.
func tcpSockets(pid int, states uint32) ([]TCPSocket, error) {
	own, err := InOwnNetwork(pid)
	if err != nil {
		return nil, err
	}
	if own {
		if all, ok := diagnosedTCP(states); ok {
			return all, nil
		}
	}
	return tabledTCP(pid)
}

// InOwnNetwork tells whether a process is in the caller's network.
func InOwnNetwork(pid int) (bool, error) {
	ours, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return false, err
	}
	theirs, err := os.Stat(Path(pid, "ns/net"))
	return err == nil && os.SameFile(ours, theirs), err
}

// tabledTCP reads what is there for any network.
func tabledTCP(pid int) ([]TCPSocket, error) {
	var all []TCPSocket
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		err := EachLine(Path(pid, table), func(fields []string) {
			// sl local_address rem_address st queues timer retrnsmt uid timeout inode
			if len(fields) < 10 || fields[9] == "0" {
				return
			}
			if local, err := parseLocal(fields[1]); err == nil { // not the headline
				all = append(all, TCPSocket{socketName(fields[9]), local, fields[3] == tcpListen})
			}
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return nil, err
		}
	}
	return all, nil
}

func socketName(inode string) string { return "socket:[" + inode + "]" }

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

// OpenFiles are those that a process has open, sockets by their names.
func OpenFiles(pid int) (map[string]bool, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return nil, err
	}
	targets, err := p.FileDescriptorTargets()
	open := map[string]bool{}
	for _, target := range targets {
		open[target] = true
	}
	return open, err
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

// mostTable is what is read of a table, to which any process can add sockets: 400,000 lines.
const mostTable = 64 << 20

// EachLine calls do with the fields of each line of a table below /proc. A line of more
// than 64 KiB is an error, and so is a table of more than 64 MiB.
func EachLine(path string, do func(fields []string)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	limited := &io.LimitedReader{R: file, N: mostTable}
	lines := bufio.NewScanner(limited)
	for lines.Scan() {
		do(strings.Fields(lines.Text()))
	}
	if err := lines.Err(); err != nil || limited.N > 0 {
		return err
	}
	return fmt.Errorf("%s: %w: more than %d bytes", path, bounded.ErrTooLarge, mostTable)
}
