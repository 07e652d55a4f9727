package webserver

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listen is one address on which a server waits.
type listen struct {
	host string // an IP address; "" is any
	port int
	tls  bool
}

// parseListen reads "80", "*:80", "127.0.0.1:80", "[::1]:80" and "127.0.0.1".
func parseListen(text string, defaultPort int) (listen, bool) {
	if port, err := strconv.Atoi(text); err == nil {
		return listen{port: port}, port > 0 && port < 1<<16
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		host, number = strings.Trim(text, "[]"), strconv.Itoa(defaultPort)
	}
	if host == "*" || host == "_default_" {
		host = ""
	}
	port, err := strconv.ParseUint(number, 10, 16)
	if number == "*" {
		port, err = 0, nil // of a virtual host: any
	}
	return listen{host: host, port: int(port)}, err == nil
}

// any tells whether all addresses of this machine are meant.
func (l listen) any() bool {
	address, err := netip.ParseAddr(l.host)
	return l.host == "" || err == nil && address.IsUnspecified()
}

// local is the address at which this machine reaches it.
func (l listen) local() string {
	switch {
	case !l.any():
		return l.host
	case strings.Contains(l.host, ":"):
		return "::1"
	}
	return "127.0.0.1"
}

func (l listen) loopback() bool {
	address, err := netip.ParseAddr(l.local())
	return err == nil && address.IsLoopback() || l.local() == "localhost"
}

func (l listen) url(tls bool) string {
	scheme, standard := "http://", ":80"
	if tls {
		scheme, standard = "https://", ":443"
	}
	return scheme + strings.TrimSuffix(net.JoinHostPort(l.local(), strconv.Itoa(l.port)), standard) + "/"
}

// reach is the URL of the best of some addresses: without TLS, whose names do
// not fit an address, and by loopback. "" if there are none.
func reach(list []listen, tls bool) string {
	best, url := -1, ""
	for _, l := range list {
		secure, grade := tls || l.tls, 0
		if l.loopback() {
			grade++
		}
		if !secure {
			grade += 2
		}
		if grade > best {
			best, url = grade, l.url(secure)
		}
	}
	return url
}

func (c apacheConf) listens() (list []listen) {
	for _, d := range named(c.directives, "listen") {
		if l, ok := parseListen(d.arg(0), 80); ok {
			l.tls = strings.EqualFold(d.arg(1), "https")
			list = append(list, l)
		}
	}
	return list
}

// meet is where a virtual host's address and a listening one are the same.
func (l listen) meet(address string) (listen, bool) {
	own, ok := parseListen(address, 0)
	switch {
	case !ok || own.port != 0 && own.port != l.port:
		return l, false
	case own.any():
		return l, true
	case l.any() || l.host == own.host:
		return listen{host: own.host, port: l.port, tls: l.tls}, true
	}
	return l, false
}

func apacheURL(addresses []string, listens []listen, tls bool) string {
	var common []listen
	for _, l := range listens {
		for _, address := range addresses {
			if met, ok := l.meet(address); ok {
				common = append(common, met)
			}
		}
	}
	return reach(common, tls)
}
