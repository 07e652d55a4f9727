package fleettest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet/ca"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// cluster is Debian's etcd-server, each member on a machine of its own. Its data outlive it.
type cluster struct {
	fleet   *farm
	first   int // machine
	members []*exec.Cmd
	folders []ca.Folder
	client  *clientv3.Client
}

func newCluster(f *farm, a *ca.Authority, first, members int) *cluster {
	f.t.Helper()
	c := &cluster{fleet: f, first: first, members: make([]*exec.Cmd, members)}
	for i := range members {
		h := ca.Host{Name: c.name(i), Addresses: []netip.Addr{netip.MustParseAddr(f.net.address(first + i))}}
		c.folders = append(c.folders, f.certify(a, h.Name+"-tls", h))
	}
	for i := range members {
		c.start(i)
	}
	own := f.certify(a, "test", ca.Host{Name: "test"})
	pair, err := tls.LoadX509KeyPair(own.Cert(), own.Key())
	f.must(err)
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	c.client, err = clientv3.New(clientv3.Config{Endpoints: c.urls(), TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}, Logger: zap.NewNop()})
	f.must(err)
	f.whole.Cleanup(func() { _ = c.client.Close() })
	return c
}

func (c *cluster) name(i int) string { return fmt.Sprint("etcd", i+1) }
func (c *cluster) url(i int) string {
	return "https://" + net.JoinHostPort(c.fleet.net.address(c.first+i), etcdPort)
}
func (c *cluster) peer(i int) string {
	return "http://" + net.JoinHostPort(c.fleet.net.address(c.first+i), "2380")
}

func (c *cluster) urls() (urls []string) {
	for i := range c.members {
		urls = append(urls, c.url(i))
	}
	return urls
}

// start runs a member again where it was.
func (c *cluster) start(i int) {
	c.fleet.t.Helper()
	var initial []string
	for j := range c.members {
		initial = append(initial, c.name(j)+"="+c.peer(j))
	}
	folder := c.folders[i]
	one := c.fleet.net.command(c.first+i, "etcd", "--name", c.name(i), "--data-dir", filepath.Join(c.fleet.root, c.name(i)),
		"--listen-client-urls", c.url(i), "--advertise-client-urls", c.url(i), "--client-cert-auth", "--trusted-ca-file", folder.CA(), "--cert-file", folder.Cert(), "--key-file", folder.Key(),
		"--listen-peer-urls", c.peer(i), "--initial-advertise-peer-urls", c.peer(i), "--initial-cluster", strings.Join(initial, ","), "--log-level", "error")
	c.fleet.must(one.Start())
	c.members[i] = one
	c.fleet.whole.Cleanup(func() { kill(one) })
}

func (c *cluster) kill(i int) { kill(c.members[i]) }

func (c *cluster) awaitAnswers() {
	c.fleet.t.Helper()
	c.fleet.await("etcd answers", func() bool {
		_, err := c.fleet.store.View(c.fleet.ctx)
		return err == nil
	})
}

// leader is the number of the member that the others follow.
func (c *cluster) leader() int {
	c.fleet.t.Helper()
	found := -1
	c.fleet.await("etcd has a leader", func() bool {
		for i := range c.members {
			ctx, cancel := context.WithTimeout(c.fleet.ctx, time.Second)
			status, err := c.client.Status(ctx, c.url(i))
			cancel()
			if err == nil && status.Leader == status.Header.MemberId {
				found = i
				return true
			}
		}
		return false
	})
	return found
}

// runEtcd runs a member of its own on this machine, without certificates, and returns when
// it answers.
func runEtcd(t *testing.T, root, address, port, peerPort string) *exec.Cmd {
	t.Helper()
	url, peer := "http://"+net.JoinHostPort(address, port), "http://"+net.JoinHostPort(address, peerPort)
	etcd := exec.Command("etcd", "--data-dir", filepath.Join(root, "etcd"), "--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer, "--log-level", "error")
	etcd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := etcd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(etcd) })
	within(t, "etcd answers", func() bool {
		answer, err := http.Get(url + "/health")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return etcd
}
