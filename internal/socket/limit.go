package socket

import (
	"net"
	"net/netip"
	"sync"
)

// Limited closes at once what is too much, in all and of one address. It does not let that wait,
// as netutil.LimitListener does: whoever opens connections and says nothing would then keep
// others out, who see a refusal at once but no answer only after their own timeout.
type Limited struct {
	net.Listener
	most, mostOfOne int

	mu      sync.Mutex
	open    int
	refused int
	from    map[netip.Prefix]int
}

// Limit has at most so many connections open, and so many of one address; 0: that has no limit
// of its own.
func Limit(l net.Listener, most, mostOfOne int) *Limited {
	return &Limited{Listener: l, most: most, mostOfOne: mostOfOne, from: map[netip.Prefix]int{}}
}

// Open is how many connections are open, and Refused how many have been closed at once.
func (l *Limited) Open() int    { return l.read(&l.open) }
func (l *Limited) Refused() int { return l.read(&l.refused) }

func (l *Limited) read(n *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *n
}

// Accept implements net.Listener.
func (l *Limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := placeOf(c.RemoteAddr())
		if l.take(from) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		_ = c.Close()
	}
}

// placeOf is the address or, for IPv6, the network that one host has for itself; none of a
// Unix socket.
func placeOf(address net.Addr) netip.Prefix {
	at, _ := netip.ParseAddrPort(address.String())
	ip, bits := at.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	place, _ := ip.Prefix(bits)
	return place
}

func (l *Limited) take(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most || l.mostOfOne > 0 && l.from[from] >= l.mostOfOne {
		l.refused++
		return false
	}
	l.open++
	l.from[from]++
	return true
}

func (l *Limited) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

type counted struct {
	net.Conn
	leave func()
}

// Close makes room for another one.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
