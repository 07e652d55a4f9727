package fleettest

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet/ca"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// client asks the etcd of the first host by a certificate.
func (g *guarded) client(own tls.Certificate) *clientv3.Client {
	g.t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"https://" + g.hosts[0].Address + ":" + etcdPort}, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
		TLS: &tls.Config{RootCAs: g.trusted(), Certificates: []tls.Certificate{own}},
	})
	g.must(err)
	g.t.Cleanup(func() { client.Close() })
	return client
}

// by is a client with a host's own certificate.
func (g *guarded) by(h *host) *clientv3.Client {
	g.t.Helper()
	own, err := tls.LoadX509KeyPair(h.folder().Cert(), h.folder().Key())
	g.must(err)
	return g.client(own)
}

// named is one with a certificate of the fleet's that is not a host's.
func (g *guarded) named(name string) *clientv3.Client {
	g.t.Helper()
	authority, err := g.hosts[0].folder().Authority()
	g.must(err)
	if name == ca.RootName {
		own, err := authority.Root(time.Now())
		g.must(err)
		return g.client(own)
	}
	spare := ca.Folder(g.t.TempDir())
	key, err := spare.MakeHostKey()
	g.must(err)
	c, err := authority.Issue(ca.Host{Name: name, Addresses: []netip.Addr{netip.MustParseAddr(g.net.gateway())}}, key.Public(), time.Now())
	g.must(err)
	return g.client(tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key})
}

// refuses fails where etcd lets a client do it.
func (g *guarded) refuses(what string, err error) {
	g.t.Helper()
	if !errors.Is(err, rpctypes.ErrPermissionDenied) {
		g.t.Errorf("%s: %v", what, err)
	}
}

// reaches tells whether a client may read and write what is the fleet's.
func (g *guarded) reaches(c *clientv3.Client) error {
	_, err := c.Put(g.ctx, "/relink/shop/test", "x")
	if err == nil {
		_, err = c.Get(g.ctx, "/relink/shop/", clientv3.WithPrefix())
	}
	return err
}

// protect runs the command on the first host.
func (g *guarded) protect() {
	g.t.Helper()
	out, err := g.hosts[0].command("fleet", "protect").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "/relink/shop/") {
		g.t.Fatalf("relink fleet protect: %v\n%s", err, out)
	}
}

func (h *host) joins(as string) string {
	first := h.fleet.hosts[0]
	token, _, _ := strings.Cut(first.setUp(0, "fleet", "token"), "\n")
	return h.setUp(0, "fleet", "join", first.Address, "--host", as, "--token", token)
}

// Each host reaches what is the fleet's in etcd, and nothing else; hosts that join get that by
// themselves, also where etcd is away just then, and one that is taken out loses it.
func TestRole(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 3)
	first, second, third := g.hosts[0], g.hosts[1], g.hosts[2]
	printed := first.setUp(0, "fleet", "init", "--name", "shop", "--host", "web1", "--address", first.Address)
	first.configure(printed)
	etcd := g.guard(printed)
	g.await("etcd answers a host", func() bool { return g.asks(first.folder()) == nil })
	g.protect()
	first.startAgent()
	first.awaitReady(true)

	own := g.by(first)
	g.must(g.reaches(own))
	_, err := own.Put(g.ctx, "/relink/other/test", "x")
	g.refuses("another fleet's key", err)
	_, err = own.Get(g.ctx, "/relink/", clientv3.WithPrefix())
	g.refuses("keys of all", err)
	_, err = own.UserAdd(g.ctx, "mallory", "secret")
	g.refuses("a user", err)
	_, err = own.RoleGrantPermission(g.ctx, "relink-shop", "a", "b", clientv3.PermissionType(clientv3.PermReadWrite))
	g.refuses("more for the role", err)
	_, err = own.MemberAdd(g.ctx, []string{"http://127.0.0.1:1"})
	g.refuses("a member", err)
	_, err = own.AuthDisable(g.ctx)
	g.refuses("an end of all that", err)
	g.refuses("a certificate of the fleet that is no host's", g.reaches(g.named("stranger")))

	// What somebody has made of the role is mended.
	_, err = g.named(ca.RootName).RoleGrantPermission(g.ctx, "relink-shop", "/other/", "/other0", clientv3.PermissionType(clientv3.PermReadWrite))
	g.must(err)
	_, err = own.Put(g.ctx, "/other/test", "x")
	g.must(err)
	g.protect()
	_, err = own.Put(g.ctx, "/other/test", "x")
	g.refuses("a key that was added to the role", err)

	second.configure(second.joins("web2"))
	g.must(g.reaches(g.by(second)))
	second.startAgent()
	second.awaitReady(true)

	kill(etcd)
	third.joins("web3")
	g.guard(printed)
	g.await("web3 has its role", func() bool { return g.reaches(g.by(third)) == nil })

	// Its agent is there, and cannot come again.
	g.await("web2 has arrived", func() bool {
		out, _ := first.command("fleet", "status").Output()
		return strings.Contains(string(out), "web2")
	})
	if out, err := first.command("fleet", "remove", "web2").CombinedOutput(); err != nil {
		t.Fatalf("relink fleet remove: %v\n%s", err, out)
	}
	g.refuses("a host that was taken out", g.reaches(g.by(second)))
}
