package fcgi

import (
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"

	"relink/internal/hint"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) without the closing NUL.
const maxSocketPath = 107

// Address is where a pool listens. It is comparable: two spellings of one
// address parse to the same value.
type Address struct {
	Network string // "unix" or "tcp"
	Path    string // path of the socket, or host:port
}

// ParseAddress understands unix:/run/x.sock, /run/x.sock, tcp:127.0.0.1:9000,
// 127.0.0.1:9000 and [::1]:9000.
func ParseAddress(s string) (Address, error) {
	address, err := parseAddress(s)
	if err != nil {
		return Address{}, hint.With(fmt.Errorf("pool address %q: %w", s, err),
			"write unix:/run/php/php-fpm.sock or tcp:127.0.0.1:9000, as in the pool's \"listen\"")
	}
	return address, nil
}

func parseAddress(s string) (Address, error) {
	switch {
	case strings.ContainsAny(s, "|\x00"):
		return Address{}, fmt.Errorf("the address ends before %q", s[strings.IndexAny(s, "|\x00"):])
	case strings.HasPrefix(s, "unix:"):
		return parseSocket(strings.TrimPrefix(s, "unix:"))
	case strings.HasPrefix(s, "tcp:"):
		return parseHostPort(strings.TrimPrefix(strings.TrimPrefix(s, "tcp:"), "//"))
	case strings.Contains(s, "/"):
		return parseSocket(s)
	}
	return parseHostPort(s)
}

func parseSocket(file string) (Address, error) {
	if !path.IsAbs(file) {
		return Address{}, fmt.Errorf("the socket's path is not absolute")
	}
	file = path.Clean(file)
	if len(file) > maxSocketPath {
		return Address{}, fmt.Errorf("the socket's path has %d bytes, a socket's may have %d", len(file), maxSocketPath)
	}
	return Address{Network: "unix", Path: file}, nil
}

func parseHostPort(s string) (Address, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Address{}, fmt.Errorf("neither an absolute path nor host:port")
	}
	value, err := strconv.ParseUint(port, 10, 16)
	if err != nil || value == 0 {
		return Address{}, fmt.Errorf("%q is not a port", port)
	}
	if host == "" {
		return Address{}, fmt.Errorf("the host is missing")
	}
	return Address{Network: "tcp", Path: net.JoinHostPort(host, strconv.FormatUint(value, 10))}, nil
}

// String gives unix:/run/x.sock or tcp:127.0.0.1:9000, which ParseAddress reads.
func (a Address) String() string { return a.Network + ":" + a.Path }
