package fleettest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/sandbox"
)

// guarded is a fleet that is set up as the manual says: hosts, and on the first one etcd
// and the authority. It serves nothing.
type guarded struct{ *farm }

func newGuarded(t *testing.T, hosts int) *guarded {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	g := &guarded{&farm{t: t, whole: t, ctx: ctx}}
	root, err := sandbox.TempRoot()
	g.must(err)
	g.root = root
	t.Cleanup(func() { os.RemoveAll(root) })
	g.net = newNetwork(t, hosts)
	for i := range hosts {
		h := &host{fleet: g.farm, spec: spec{Name: fmt.Sprintf("web%d", i+1), Address: g.net.address(i), Root: filepath.Join(root, fmt.Sprint("h", i+1))}}
		g.must(os.MkdirAll(h.path("releases"), 0o755))
		g.must(os.Mkdir(h.path("www"), 0o755))
		g.hosts = append(g.hosts, h)
	}
	return g
}

// setUp runs a command that sets up, and gives what it printed.
func (h *host) setUp(exit int, args ...string) string {
	f := h.fleet
	f.t.Helper()
	var out, stderr bytes.Buffer
	c := h.command(append(args, "--dir", string(h.folder()))...)
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		f.t.Fatal(err)
	}
	if got := c.ProcessState.ExitCode(); got != exit {
		f.t.Fatalf("relink %s %s: exit %d, want %d\n%s%s", args[0], args[1], got, exit, out.String(), stderr.String())
	}
	return out.String() + stderr.String()
}

// lines are those for the configuration that were printed.
func (h *host) lines(printed string) string {
	h.fleet.t.Helper()
	begin, end := strings.Index(printed, "fleet:\n"), strings.Index(printed, "\netcd on this host")
	if begin < 0 || end < begin {
		h.fleet.t.Fatalf("no configuration in\n%s", printed)
	}
	return printed[begin:end]
}

// configure pastes them.
func (h *host) configure(printed string) {
	h.fleet.t.Helper()
	text := fmt.Sprintf("state_dir: %q\n%s  ready: \"%s:%s\"\napps: {club: {source: {dir: %q}, releases: %q, instances: {a: %q}}}\n",
		h.path("state"), h.lines(printed), h.Address, readyPort, h.path("source"), h.path("releases"), h.path("www", "a"))
	h.fleet.must(os.WriteFile(h.path("relink.yaml"), []byte(text), 0o644))
}

// guard starts etcd with the flags that were printed.
func (g *guarded) guard(printed string) *exec.Cmd {
	g.t.Helper()
	flags := regexp.MustCompile(`(?m)^--.*$`).FindAllString(printed, -1)
	peer := "http://127.0.0.1:2380"
	flags = append(flags, "--data-dir", filepath.Join(g.root, "etcd"), "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", "default="+peer, "--log-level", "error")
	var log bytes.Buffer
	etcd := g.net.command(0, "etcd", flags...)
	etcd.Stdout, etcd.Stderr = &log, &log
	g.must(etcd.Start())
	g.t.Cleanup(func() {
		kill(etcd)
		if g.t.Failed() {
			g.t.Logf("etcd:\n%s", &log)
		}
	})
	return etcd
}

func (g *guarded) trusted() *x509.CertPool {
	g.t.Helper()
	authority, err := g.hosts[0].folder().Trusted()
	g.must(err)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return pool
}

// asks is what etcd answers to a client with this certificate; none where the folder is "".
func (g *guarded) asks(as ca.Folder) error {
	settings := &tls.Config{RootCAs: g.trusted()}
	if as != "" {
		pair, err := tls.LoadX509KeyPair(as.Cert(), as.Key())
		g.must(err)
		settings.Certificates = []tls.Certificate{pair}
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}}
	answer, err := client.Get("https://" + g.hosts[0].Address + ":" + etcdPort + "/health")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// A fleet is set up by three commands: its etcd answers those who have a certificate, and
// nobody else; a host joins by a token that is good once; its certificate is renewed.
func TestSettingUp(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, 2)
	first, second := g.hosts[0], g.hosts[1]
	printed := first.setUp(0, "fleet", "init", "--name", "shop", "--host", "web1", "--address", first.Address)
	if again := first.setUp(0, "fleet", "init", "--name", "shop", "--host", "web1", "--address", first.Address); !strings.HasSuffix(printed, again) {
		t.Errorf("init a second time:\n%s\ninstead of\n%s", again, printed)
	}
	first.configure(printed)
	g.guard(printed)
	g.await("etcd answers a host", func() bool { return g.asks(first.folder()) == nil })
	if err := g.asks(""); err == nil {
		t.Error("etcd has answered without a certificate")
	}
	first.startAgent()
	first.awaitReady(true)

	token, _, _ := strings.Cut(first.setUp(0, "fleet", "token"), "\n")
	if refused := second.setUp(1, "fleet", "join", second.Address, "--host", "web2", "--token", token); !strings.Contains(refused, "hint: ") {
		t.Errorf("no help where nobody answers: %s", refused)
	}
	printed = second.setUp(0, "fleet", "join", first.Address, "--host", "web2", "--token", token)
	if strings.Contains(printed, token) {
		t.Error("the token was printed")
	}
	if refused := second.setUp(1, "fleet", "join", first.Address, "--host", "web3", "--token", token); !strings.Contains(refused, "token is not valid") {
		t.Errorf("the token was good twice: %s", refused)
	}
	if err := g.asks(second.folder()); err != nil {
		t.Error(err)
	}
	second.configure(printed)
	second.age(first)
	before, err := second.folder().Host()
	g.must(err)
	second.startAgent()
	second.awaitReady(true)
	g.await("the certificate is renewed", func() bool {
		after, err := second.folder().Host()
		return err == nil && after.NotAfter.After(before.NotAfter)
	})
	if err := g.asks(second.folder()); err != nil {
		t.Error(err)
	}

	// Without the authority the fleet goes on, and says who cannot renew.
	g.must(first.agent.Process.Signal(syscall.SIGTERM))
	g.must(first.agent.Wait())
	g.must(second.agent.Process.Signal(syscall.SIGTERM))
	g.must(second.agent.Wait())
	second.age(first)
	second.startAgent()
	second.awaitReady(true)
	g.await("status tells of the certificate", func() bool {
		out, _ := second.command("fleet", "status").Output() // exit 4: the first host is away
		return strings.Contains(string(out), "could not be renewed")
	})
}

// age has a host's certificate be of two months ago.
func (h *host) age(authority *host) {
	f := h.fleet
	f.t.Helper()
	a, err := authority.folder().Authority()
	f.must(err)
	key, err := h.folder().MakeHostKey()
	f.must(err)
	own, err := h.folder().Host()
	f.must(err)
	old, err := a.Issue(ca.HostOf(own), key.Public(), time.Now().Add(-70*24*time.Hour))
	f.must(err)
	f.must(h.folder().Keep(old))
}
