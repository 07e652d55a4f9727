package depot

import (
	"net"
	"testing"

	"relink/deploy/source/sourcetest"
)

// One address that opens connections and says nothing keeps no host from fetching.
func TestSilentConnections(t *testing.T) {
	a := newAuthority(t)
	one, two := newHost(t, a, "web1"), newHost(t, a, "web2")
	id := one.takes(t, application(t, 3))
	silent := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for range 2 * mostFetch {
		c, err := silent.Dial("tcp", one.address)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
	}
	_, into := sourcetest.Fetch(t, two.from(id, one.peer()), "v1")
	if len(sourcetest.Tree(t, into)) == 0 {
		t.Error("nothing was fetched")
	}
}
