package enroll

import (
	"net"
	"net/netip"
	"sync"
)

// limited closes at once what is too much, of one address and in all: one that opens
// connections and says nothing keeps nobody else from asking.
type limited struct {
	net.Listener

	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

func newLimited(l net.Listener) *limited {
	return &limited{Listener: l, from: map[netip.Prefix]int{}}
}

func (l *limited) Accept() (net.Conn, error) {
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

// placeOf is the address or, for IPv6, the network that one host has for itself.
func placeOf(address net.Addr) netip.Prefix {
	at, _ := netip.ParseAddrPort(address.String())
	ip, bits := at.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	place, _ := ip.Prefix(bits)
	return place
}

func (l *limited) take(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= mostConnections || l.from[from] >= mostOfOne {
		return false
	}
	l.all++
	l.from[from]++
	return true
}

func (l *limited) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
