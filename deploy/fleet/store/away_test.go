package store

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/config"
	"relink/internal/hint"
)

// Where a certificate is not valid yet, as for a host whose clock is behind, that is what is
// told, and not only that nobody has answered.
func TestCertificateOfLater(t *testing.T) {
	t.Parallel()
	folder := ca.Folder(t.TempDir())
	authority, err := folder.MakeAuthority("shop", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := folder.MakeHostKey()
	if err != nil {
		t.Fatal(err)
	}
	later, err := authority.Issue(ca.Host{Name: "web1", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, key.Public(), time.Now().Add(24*time.Hour))
	if err == nil {
		err = folder.Keep(later)
	}
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(folder.Cert(), folder.Key())
	if err != nil {
		t.Fatal(err)
	}
	etcd, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	go func() {
		for {
			c, err := etcd.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	s, err := Open(t.Context(), config.Fleet{Name: "shop", Lease: 5 * time.Second, Etcd: config.Etcd{
		Endpoints: []string{"https://" + etcd.Addr().(*net.TCPAddr).String()}, CA: folder.CA(), Cert: folder.Cert(), Key: folder.Key()}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.View(t.Context())
	if !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "not yet valid") || !strings.Contains(strings.Join(hint.Of(err), ""), "clocks") {
		t.Errorf("%v, %q", err, hint.Of(err))
	}
}
