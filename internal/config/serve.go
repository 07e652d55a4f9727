package config

import "net/netip"

// leastHistory is below what an empty history and its next state need at once.
const leastHistory = 1 << 20

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
