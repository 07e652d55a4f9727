package proc

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzSockets(f *testing.F) {
	f.Add([]byte{})
	f.Add(unixRequest())
	f.Add(tcpRequest(unix.AF_INET6, allStates))
	message := make([]byte, 64)
	message[0], message[4] = 64, sockDiagByFamily
	copy(message[32:], "\x08\x00\x04\x00\x07\x00\x00\x00\x09\x00\x00\x00/run\x00\x00\x00\x00")
	f.Add(message)
	connection := make([]byte, headerSize+tcpSize)
	connection[0], connection[4], connection[16], connection[84] = headerSize+tcpSize, sockDiagByFamily, unix.AF_INET, 1
	f.Add(connection)
	f.Fuzz(func(t *testing.T, datagram []byte) {
		eachMessage(datagram, func(message []byte) {
			if one, ok := readUnix(message); ok && (one.Path == "" || one.Queue < 0) {
				t.Errorf("%+v", one)
			}
			if one, ok := readTCP(message); ok && !one.Local.Addr().IsValid() {
				t.Errorf("%+v", one)
			}
		})
	})
}

func TestListenQueueIsRead(t *testing.T) {
	message := make([]byte, 64)
	message[0], message[4] = 64, sockDiagByFamily
	copy(message[32:], "\x0c\x00\x04\x00\x07\x00\x00\x00\x80\x00\x00\x00\x09\x00\x00\x00/run\x00")
	message[20] = 42 // udiag_ino
	var found []UnixListener
	_, more := eachMessage(message, func(message []byte) {
		if one, ok := readUnix(message); ok {
			found = append(found, one)
		}
	})
	if want := (UnixListener{"socket:[42]", "/run", 7}); !more || len(found) != 1 || found[0] != want {
		t.Errorf("%+v", found)
	}
}

// What the kernel answers and what its tables show is the same, in each of the ways in which
// somebody may listen; of a connection that has ended neither says anything.
func TestTCPSocketsAreThoseOfTheTables(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		for range 2 {
			client, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			server, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
		}
		port := netip.MustParseAddrPort(listener.Addr().String()).Port()
		diagnosed, ok := diagnosedTCP(allStates &^ (1 << stateTimeWait))
		if !ok {
			t.Fatal("the kernel does not tell")
		}
		tabled, err := tabledTCP(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		got, want := sorted(diagnosed, port), sorted(tabled, port)
		if len(want) != 3 || !slices.Equal(got, want) {
			t.Errorf("%s: %+v, in the tables %+v", address, got, want)
		}
		listeners, err := TCPListeners(os.Getpid())
		if got := sorted(listeners, port); err != nil || len(got) != 1 || !got[0].Listens {
			t.Errorf("%s: listeners %+v (%v)", address, got, err)
		}
	}
}

// sorted are those with a local port.
func sorted(all []TCPSocket, port uint16) []TCPSocket {
	all = slices.DeleteFunc(all, func(s TCPSocket) bool { return s.Local.Port() != port })
	slices.SortFunc(all, func(a, b TCPSocket) int { return strings.Compare(a.Name, b.Name) })
	return all
}
