package serve

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what clients can make the service spend.
type Limits struct {
	Connections int           // open at the same time; further ones are closed at once
	Header      time.Duration // for a client to send its request
	Write       time.Duration // for a client to take an answer
	Idle        time.Duration // between two requests of a connection
	Stop        time.Duration // for answers in progress when the service ends
	HeaderBytes int           // of a request; net/http adds 4096
}

// usualLimits are those of the service.
var usualLimits = Limits{
	Connections: 256, HeaderBytes: 4 << 10,
	Header: 5 * time.Second, Write: 20 * time.Second, Idle: 30 * time.Second, Stop: 5 * time.Second,
}

// limited closes connections that are too many at once. It does not let them
// wait, as netutil.LimitListener does: slow clients would then keep monitoring
// out, which sees a refusal at once but no answer only after its own timeout.
type limited struct {
	net.Listener
	slots   chan struct{}
	refused atomic.Int64
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: conn, free: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			l.refused.Add(1)
			conn.Close()
		}
	}
}

type limitedConn struct {
	net.Conn
	free func()
}

// Close frees the connection's slot.
func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
