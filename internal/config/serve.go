package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// leastHistory is below what an empty history and its next state need at once.
const leastHistory = 1 << 20

func (r *reader) serve(s *Serve) take {
	return r.section(keys{
		"listen":     r.listen(&s.Listen),
		"interval":   r.duration(&s.Interval, time.Second),
		"history":    r.size(&s.History),
		"restart":    r.choice(&s.Restart, ServePending, ServeNeeded),
		"token_file": r.absolute(&s.TokenFile),
		"tls": r.section(keys{
			"cert":      r.absolute(&s.TLS.Cert),
			"key":       r.absolute(&s.TLS.Key),
			"client_ca": r.absolute(&s.TLS.ClientCA),
		}),
	})
}

func (r *reader) listen(to *string) take {
	return func(n node) {
		text, ok := r.line(n)
		if !ok {
			return
		}
		address, err := ListenAddress(text)
		if err != nil {
			r.wrong(n.key, "%v", err)
			return
		}
		*to = address
	}
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

func viewServe(s Serve) ordered {
	return pairs(
		"listen", s.Listen,
		"interval", s.Interval,
		"history", formatSize(s.History),
		"restart", s.Restart,
		"token_file", s.TokenFile,
		"tls", pairs("cert", s.TLS.Cert, "key", s.TLS.Key, "client_ca", s.TLS.ClientCA),
	)
}

// serve refuses what others could read: the service tells paths, releases and
// users.
func (v *validator) serve() {
	s := v.Serve
	if s.History < leastHistory {
		v.wrong("serve.history", "must be at least %s", formatSize(leastHistory))
	}
	if v.reportedBelow("serve") {
		return
	}
	switch {
	case (s.TLS.Cert == "") != (s.TLS.Key == ""):
		v.wrong("serve.tls", "needs both cert and key")
	case s.TLS.ClientCA != "" && s.TLS.Cert == "":
		v.wrong("serve.tls", "client_ca needs cert and key")
	case s.Exposed() && s.TLS.Cert == "":
		v.wrong("serve.listen", "%s can be reached from other machines, which needs tls with cert and key", s.Listen)
	case s.Exposed() && s.TokenFile == "" && s.TLS.ClientCA == "":
		v.wrong("serve.listen", "%s can be reached from other machines, which needs token_file or tls with client_ca", s.Listen)
	}
}

// Exposed tells whether other machines may reach the listener.
func (s Serve) Exposed() bool {
	address, err := netip.ParseAddrPort(s.Listen)
	return err == nil && !address.Addr().IsLoopback()
}
