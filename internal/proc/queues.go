package proc

import (
	"encoding/binary"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

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

// UnixQueues tells how many connections wait at each listening unix socket,
// by the path that it was bound to. It is empty where the kernel does not tell:
// then nobody knows.
func UnixQueues() map[string]int64 {
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
	queues := map[string]int64{}
	buffer := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil || n == 0 || !readQueues(buffer[:n], queues) {
			return queues
		}
	}
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

// readQueues takes one datagram of messages; false at the end of the list.
func readQueues(datagram []byte, queues map[string]int64) bool {
	for len(datagram) >= headerSize {
		size := int(binary.NativeEndian.Uint32(datagram))
		kind := binary.NativeEndian.Uint16(datagram[4:])
		if size < headerSize || size > len(datagram) || kind != sockDiagByFamily {
			return false // NLMSG_DONE or NLMSG_ERROR
		}
		if size >= 2*headerSize {
			readSocket(datagram[2*headerSize:size], queues)
		}
		datagram = datagram[min(len(datagram), align(size)):]
	}
	return true
}

func readSocket(attributes []byte, queues map[string]int64) {
	name, queue := "", int64(-1)
	for len(attributes) >= 4 {
		size := int(binary.NativeEndian.Uint16(attributes))
		if size < 4 || size > len(attributes) {
			break
		}
		value := attributes[4:size]
		switch binary.NativeEndian.Uint16(attributes[2:]) {
		case attributeName:
			name = strings.TrimRight(string(value), "\x00")
		case attributeQueue:
			if len(value) >= 4 {
				queue = int64(binary.NativeEndian.Uint32(value))
			}
		}
		attributes = attributes[min(len(attributes), align(size)):]
	}
	if strings.HasPrefix(name, "/") && queue >= 0 {
		queues[name] = queue
	}
}

func align(n int) int { return (n + 3) &^ 3 }
