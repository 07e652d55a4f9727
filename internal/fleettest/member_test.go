package fleettest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ownMember is relink-etcd, which is a Go module of its own; built once.
var ownMember = sync.OnceValues(func() (string, error) {
	program := filepath.Join(filepath.SplitList(os.Getenv("PATH"))[0], "relink-etcd")
	build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "deploy", "fleet", "etcd")
	out, err := build.CombinedOutput()
	return string(out), err
})

// ring is a fleet whose hosts are the members of its etcd, all by relink-etcd.
type ring struct {
	*guarded
	members []*exec.Cmd
	logs    []*output
}

var endpointsLine = regexp.MustCompile(`endpoints: \[.*\]`)

func newRing(t *testing.T, hosts int) *ring {
	t.Helper()
	if out, err := ownMember(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	c := &ring{guarded: &guarded{&farm{t: t, whole: t, ctx: ctx, sites: []string{"club0", "club1"}}}, members: make([]*exec.Cmd, hosts), logs: make([]*output, hosts)}
	root, err := sandbox.TempRoot()
	c.must(err)
	c.root = root
	t.Cleanup(func() { os.RemoveAll(root) })
	c.line, err = app.Generated(ctx, root, files)
	c.must(err)
	c.net = newNetwork(t, hosts)
	var all []string
	for i := range hosts {
		all = append(all, `"https://`+c.net.address(i)+":"+etcdPort+`"`)
	}
	for i := range hosts {
		h := &host{fleet: c.farm, spec: spec{
			Name: "web" + string(rune('1'+i)), Address: c.net.address(i), Root: filepath.Join(root, "h"+string(rune('1'+i))),
			Repository: c.line.Repository, Sites: c.sites, Extra: "  lease: 2s\n  absent: 20s\n",
		}}
		c.must(os.Mkdir(h.Root, 0o755))
		c.hosts = append(c.hosts, h)
		h.Fleet = endpointsLine.ReplaceAllString(h.lines(c.certify(i)), "endpoints: ["+strings.Join(all, ", ")+"]")
		h.serve()
		if i == 0 {
			c.run(0, i, "init")
		}
		c.startMember(i)
		if i == 0 {
			h.startAgent()
			h.awaitReady(true)
		}
		c.awaitVotes(i + 1)
	}
	for _, h := range c.hosts[1:] {
		h.startAgent()
		h.awaitReady(true)
	}
	return c
}

// certify gives what setting up has printed.
func (c *ring) certify(i int) string {
	h, first := c.hosts[i], c.hosts[0]
	if i == 0 {
		return h.setUp(0, "fleet", "init", "--name", "shop", "--host", h.Name, "--address", h.Address)
	}
	token, _, _ := strings.Cut(first.setUp(0, "fleet", "token", "--etcd"), "\n")
	return h.setUp(0, "fleet", "join", first.Address, "--host", h.Name, "--token", token)
}

func (c *ring) data(i int) string { return c.hosts[i].path("etcd") }

// command is relink-etcd on a host.
func (c *ring) command(i int, what string) *exec.Cmd {
	h := c.hosts[i]
	return c.net.command(i, "relink-etcd", "--config", h.path("relink.yaml"), "--log-level", "info", what, "--data", c.data(i))
}

// run runs it to its end, with that status.
func (c *ring) run(exit, i int, what string) string {
	c.t.Helper()
	var said bytes.Buffer
	run := c.command(i, what)
	run.Stdout, run.Stderr = &said, &said
	_ = run.Run()
	if got := run.ProcessState.ExitCode(); got != exit {
		c.t.Fatalf("relink-etcd %s: exit %d, want %d\n%s", what, got, exit, said.String())
	}
	return said.String()
}

func (c *ring) startMember(i int) {
	c.t.Helper()
	own, log := c.command(i, "serve"), &output{}
	own.Stdout, own.Stderr = log, log
	c.must(own.Start())
	c.members[i], c.logs[i] = own, log
	c.whole.Cleanup(func() {
		kill(own)
		if c.whole.Failed() {
			c.whole.Logf("relink-etcd of %s:\n%s", c.hosts[i].Name, log)
		}
	})
}

// admin is etcd's root, at all hosts.
func (c *ring) admin() *clientv3.Client { return c.named(ca.RootName) }

// awaitVotes waits until so many members have a vote, and none has yet to learn.
func (c *ring) awaitVotes(n int) {
	c.t.Helper()
	admin := c.admin()
	defer admin.Close()
	c.await("members with a vote", func() bool {
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		list, err := admin.MemberList(ctx)
		if err != nil || len(list.Members) != n {
			return false
		}
		for _, one := range list.Members {
			if one.IsLearner || one.Name == "" {
				return false
			}
		}
		return true
	})
}

// leader is the host whose member leads.
func (c *ring) leader() int {
	c.t.Helper()
	admin := c.admin()
	defer admin.Close()
	for i, h := range c.hosts {
		status, err := admin.Status(c.ctx, "https://"+h.Address+":"+etcdPort)
		c.must(err)
		if status.Header.MemberId == status.Leader {
			return i
		}
	}
	c.t.Fatal("no leader")
	return 0
}

// asPeer asks a member's other port, at which members talk to each other.
func (c *ring) asPeer(own tls.Certificate) error {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.trusted(), Certificates: []tls.Certificate{own}}, DisableKeepAlives: true}}
	answer, err := client.Get("https://" + c.hosts[0].Address + ":2380/members")
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// A fleet of three hosts on relink-etcd: it deploys on with any one lost, also the one that
// leads; a member comes back, with its data and without; and of the last one left a fleet is
// made that can decide again.
func TestMembers(t *testing.T) {
	t.Parallel()
	c := newRing(t, 3)
	if by := c.relink(0, "fleet", "deploy", "v1").Rollout.Certificate; by != "web1" {
		t.Errorf("asked for by the certificate of %q", by)
	}
	c.wantOn("v1")
	c.refusesStrangers()

	lost := c.leader()
	kill(c.members[lost])
	c.deploys("v2")
	c.startMember(lost)
	c.await("the member is back", func() bool { return strings.Contains(c.logs[lost].String(), "a member of the fleet's etcd") })

	c.must(c.members[2].Process.Signal(syscall.SIGTERM))
	if err := c.members[2].Wait(); err != nil {
		t.Errorf("the end of relink-etcd: %v\n%s", err, c.logs[2])
	}
	c.must(os.RemoveAll(c.data(2)))
	c.startMember(2)
	c.await("it has its vote again", func() bool { return strings.Contains(c.logs[2].String(), "a member with a vote") })
	c.awaitVotes(3)

	kill(c.members[1])
	kill(c.members[2])
	if said := c.run(1, 0, "init"); !strings.Contains(said, "has the data of a member already") {
		t.Error(said)
	}
	c.must(c.members[0].Process.Signal(syscall.SIGTERM))
	_ = c.members[0].Wait()
	c.run(0, 0, "alone")
	c.startMember(0)
	c.awaitVotes(1)
	c.deploys("v3")
}

// deploys asks until it is done: when a member is lost hosts are there, then away for as long
// as it takes them to come anew, each at a moment of its own.
func (c *ring) deploys(ref string) {
	c.t.Helper()
	c.must(c.line.Few(c.ctx, ref))
	c.await("a deploy of "+ref, func() bool { return c.hosts[0].command("fleet", "deploy", ref).Run() == nil })
	c.wantOn(ref)
}

// refusesStrangers: who has a certificate of the fleet, but not for that, is no member, and
// reaches no key but the fleet's.
func (c *ring) refusesStrangers() {
	c.t.Helper()
	authority, err := c.hosts[0].folder().Authority()
	c.must(err)
	for _, member := range []bool{true, false} {
		key, err := ca.Folder(c.t.TempDir()).MakeHostKey()
		c.must(err)
		own, err := authority.Issue(ca.Host{Name: "web9", Addresses: []netip.Addr{netip.MustParseAddr(c.net.gateway())}, Member: member}, key.Public(), time.Now())
		c.must(err)
		if err := c.asPeer(tls.Certificate{Certificate: [][]byte{own.Raw}, PrivateKey: key}); (err == nil) != member {
			c.t.Errorf("a host that may be a member: %v, is answered as one: %v", member, err)
		}
	}
	_, err = c.by(c.hosts[1]).Put(c.ctx, "/relink/other/x", "x")
	c.refuses("another fleet's key", err)
}
