package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// PoolAddress gives two spellings of a pool's address the same form:
// unix:/path or tcp:host:port.
func PoolAddress(text string) (string, error) {
	if at := strings.IndexAny(text, "|\x00"); at >= 0 {
		return "", fmt.Errorf("%q is not a pool's address; it ends before %q", text, text[at:])
	}
	if path := strings.TrimPrefix(text, "unix:"); filepath.IsAbs(path) {
		socket, err := canonicalSocket(path)
		if err != nil {
			return "", fmt.Errorf("%q is not a pool's address; %w", text, err)
		}
		return socket, nil
	}
	address, err := HostPort(strings.TrimPrefix(text, "tcp:"))
	if err != nil {
		return "", fmt.Errorf("%q is not a pool's address; write it like unix:/run/php/php8.2-fpm.sock or tcp:127.0.0.1:9000", text)
	}
	return "tcp:" + address, nil
}

func canonicalSocket(path string) (string, error) {
	// sockaddr_un has room for 108 bytes with the one that ends it (unix(7)).
	if len(path) > 107 {
		return "", errors.New("a socket's path has at most 107 bytes")
	}
	if hasDotDot(path) {
		return "", errors.New(`write it without ".."`)
	}
	return "unix:" + filepath.Clean(path), nil
}

// hostName is a name or an IPv4 address; containers' names may hold _.
var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// ValidHost tells whether a host can be asked for.
func ValidHost(host string) bool {
	if strings.Contains(host, ":") {
		_, err := netip.ParseAddr(host)
		return err == nil
	}
	return hostName.MatchString(host)
}

// ListenAddress gives the spellings of an address to listen on one form. A name
// is refused, but for localhost: what it stands for may change.
func ListenAddress(text string) (string, error) {
	path, marked := strings.CutPrefix(text, "unix:")
	if filepath.IsAbs(path) {
		return canonicalSocket(path)
	}
	host, port, err := net.SplitHostPort(text)
	number, bad := strconv.ParseUint(port, 10, 16)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, unknown := netip.ParseAddr(host)
	if marked || err != nil || bad != nil || unknown != nil {
		return "", fmt.Errorf("%q is not an address to listen on; write it like 127.0.0.1:9155, [::1]:9155 or unix:/run/relink/serve.sock", text)
	}
	return net.JoinHostPort(ip.String(), strconv.FormatUint(number, 10)), nil
}

// HostPort is an address of another machine.
func HostPort(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	number, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || bad != nil || number == 0 || !ValidHost(host) {
		return "", fmt.Errorf("%q is not an address; write it like 10.0.0.1:9158, [2001:db8::1]:9158 or web1.example.org:9158", text)
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}
