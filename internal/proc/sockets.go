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
	"time"

	"relink/internal/bounded"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
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

// mostTable is what is read of a table, to which any process can add lines: 400,000 sockets.
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

// The kernel's sock_diag interface (linux/unix_diag.h), which "ss -xl" uses.
const (
	sockDiagByFamily = 20
	stateListen      = 1 << 10 // TCP_LISTEN, as a bit
	showName         = 1
	showQueue        = 0x10
	attributeName    = 0
	attributeQueue   = 4
	headerSize       = 16 // of nlmsghdr, and of unix_diag_msg
)

// UnixListener is a unix socket on which somebody listens.
type UnixListener struct {
	Socket string // as /proc/PID/fd shows it: "socket:[4711]"
	Path   string // that it was bound to
	Queue  int64  // connections that wait there
}

// UnixListeners are those in the network of the caller; none where the kernel does not
// tell: then nobody knows. Their paths are what was bound, whatever it is, while a newline
// in one forges a line of /proc/net/unix. It reads 64 KiB at a time, and waits 1 s at most
// for each.
func UnixListeners() (all []UnixListener) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	patience := unix.NsecToTimeval(int64(time.Second))
	if unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience) != nil ||
		unix.Sendto(fd, diagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return nil
	}
	buffer := make([]byte, 64<<10)
	for more := true; more; {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil || n == 0 {
			return all
		}
		var some []UnixListener
		some, more = readListeners(buffer[:n])
		all = append(all, some...)
	}
	return all
}

// diagRequest asks for the names and queues of all listening unix sockets.
func diagRequest() []byte {
	request := make([]byte, headerSize+24)
	native := binary.NativeEndian
	native.PutUint32(request, uint32(len(request)))
	native.PutUint16(request[4:], sockDiagByFamily)
	native.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[16] = unix.AF_UNIX
	native.PutUint32(request[20:], stateListen)
	native.PutUint32(request[28:], showName|showQueue)
	return request
}

// readListeners takes one datagram of messages; no more come at the end of the list.
func readListeners(datagram []byte) (found []UnixListener, more bool) {
	for len(datagram) >= headerSize {
		size := int(binary.NativeEndian.Uint32(datagram))
		kind := binary.NativeEndian.Uint16(datagram[4:])
		if size < headerSize || size > len(datagram) || kind != sockDiagByFamily {
			return found, false // NLMSG_DONE or NLMSG_ERROR
		}
		if size >= 2*headerSize {
			one := readListener(datagram[2*headerSize : size])
			one.Socket = fmt.Sprintf("socket:[%d]", binary.NativeEndian.Uint32(datagram[headerSize+4:])) // udiag_ino
			if strings.HasPrefix(one.Path, "/") && one.Queue >= 0 {
				found = append(found, one)
			}
		}
		datagram = datagram[min(len(datagram), align(size)):]
	}
	return found, true
}

func readListener(attributes []byte) UnixListener {
	one := UnixListener{Queue: -1}
	for len(attributes) >= 4 {
		size := int(binary.NativeEndian.Uint16(attributes))
		if size < 4 || size > len(attributes) {
			break
		}
		value := attributes[4:size]
		switch binary.NativeEndian.Uint16(attributes[2:]) {
		case attributeName:
			one.Path = strings.TrimRight(string(value), "\x00")
		case attributeQueue:
			if len(value) >= 4 {
				one.Queue = int64(binary.NativeEndian.Uint32(value))
			}
		}
		attributes = attributes[min(len(attributes), align(size)):]
	}
	return one
}

func align(n int) int { return (n + 3) &^ 3 }
