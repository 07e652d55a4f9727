package proc

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's sock_diag interface (linux/sock_diag.h, unix_diag.h, inet_diag.h), which ss
// uses: it tells of the caller's own network, and only of the sockets that are asked for.
const (
	sockDiagByFamily = 20
	stateListen      = 10 // TCP_LISTEN
	stateTimeWait    = 6
	allStates        = 1<<13 - 1
	showName         = 1
	showQueue        = 0x10
	attributeName    = 0
	attributeQueue   = 4
	headerSize       = 16 // of nlmsghdr, and of unix_diag_msg
	tcpSize          = 72 // of inet_diag_msg
)

// UnixListener is a unix socket on which somebody listens.
type UnixListener struct {
	Socket string // as /proc/PID/fd shows it: "socket:[4711]"
	Path   string // that it was bound to
	Queue  int64  // connections that wait there
}

// UnixListeners are those in the network of the caller; none where the kernel does not
// tell: then nobody knows. Their paths are what was bound, whatever it is, while a newline
// in one forges a line of /proc/net/unix. It reads 64 KiB at a time and 64 MiB in all, and
// waits 1 s at most for each.
func UnixListeners() (all []UnixListener) {
	diagnose(unixRequest(), func(message []byte) {
		if one, ok := readUnix(message); ok {
			all = append(all, one)
		}
	})
	return all
}

// diagnosedTCP are the sockets in the network of the caller that are in the states; not ok
// where the kernel does not tell all of them.
func diagnosedTCP(states uint32) (all []TCPSocket, ok bool) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if !diagnose(tcpRequest(family, states), func(message []byte) {
			if one, ok := readTCP(message); ok {
				all = append(all, one)
			}
		}) {
			return nil, false
		}
	}
	return all, true
}

// diagnose gives each answer to a request; it is false where that was not all of them.
func diagnose(request []byte, each func(message []byte)) bool {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	patience := unix.NsecToTimeval(int64(time.Second))
	if unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience) != nil ||
		unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return false
	}
	buffer := make([]byte, 64<<10)
	for all := 0; all <= mostTable; {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil || n == 0 {
			return false
		}
		all += n
		if end, more := eachMessage(buffer[:n], each); !more {
			return end == unix.NLMSG_DONE
		}
	}
	return false
}

// eachMessage takes one datagram of messages; no more come at the end of the list, of which
// it gives the kind of its last.
func eachMessage(datagram []byte, each func(message []byte)) (end uint16, more bool) {
	for len(datagram) >= headerSize {
		size := int(binary.NativeEndian.Uint32(datagram))
		kind := binary.NativeEndian.Uint16(datagram[4:])
		if size < headerSize || size > len(datagram) || kind != sockDiagByFamily {
			return kind, false // NLMSG_DONE or NLMSG_ERROR
		}
		each(datagram[headerSize:size])
		datagram = datagram[min(len(datagram), align(size)):]
	}
	return 0, true
}

func dumpRequest(size int) []byte {
	request := make([]byte, headerSize+size)
	native := binary.NativeEndian
	native.PutUint32(request, uint32(len(request)))
	native.PutUint16(request[4:], sockDiagByFamily)
	native.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return request
}

// unixRequest asks for the names and queues of all listening unix sockets.
func unixRequest() []byte {
	request := dumpRequest(24) // unix_diag_req
	native := binary.NativeEndian
	request[16] = unix.AF_UNIX
	native.PutUint32(request[20:], 1<<stateListen)
	native.PutUint32(request[28:], showName|showQueue)
	return request
}

// tcpRequest asks for the sockets of a family that are in the states. The kernel looks
// through all connections only if they are among them.
func tcpRequest(family byte, states uint32) []byte {
	request := dumpRequest(56) // inet_diag_req_v2
	request[16], request[17] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(request[20:], states)
	return request
}

func readTCP(message []byte) (TCPSocket, bool) {
	if len(message) < tcpSize {
		return TCPSocket{}, false
	}
	address := message[8:24]
	if message[0] == unix.AF_INET {
		address = address[:4]
	}
	host, _ := netip.AddrFromSlice(address)
	inode := binary.NativeEndian.Uint32(message[68:])
	return TCPSocket{
		Name:    nameOf(inode),
		Local:   netip.AddrPortFrom(host.Unmap(), binary.BigEndian.Uint16(message[4:])),
		Listens: message[1] == stateListen,
	}, inode != 0 // 0: no process has it open
}

func nameOf(inode uint32) string { return socketName(strconv.FormatUint(uint64(inode), 10)) }

func readUnix(message []byte) (UnixListener, bool) {
	if len(message) < headerSize {
		return UnixListener{}, false
	}
	one := readAttributes(message[headerSize:])
	one.Socket = nameOf(binary.NativeEndian.Uint32(message[4:])) // udiag_ino
	return one, strings.HasPrefix(one.Path, "/") && one.Queue >= 0
}

func readAttributes(attributes []byte) UnixListener {
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
