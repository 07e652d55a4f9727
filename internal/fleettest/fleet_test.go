package fleettest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet/command"
	"relink/deploy/fleet/store"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
	"relink/internal/schematest"
)

// farm is hosts in a network of their own.
type farm struct {
	t     *testing.T // the part of the test that runs
	whole *testing.T
	ctx   context.Context
	root  string
	net   *network
	line  *app.Line
	hosts []*host
	etcd  *exec.Cmd
	store *store.Store
	sites []string
	down  int // a host that a fault has hit
}

// host is one of them.
type host struct {
	spec
	fleet   *farm
	servers *exec.Cmd // Apache and PHP-FPM
	agent   *exec.Cmd
	log     *output // the agent's
}

// files of the application.
const files = 30

func newFleet(t *testing.T, hosts, sites int, configure func(*spec)) *farm {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	f := &farm{t: t, whole: t, ctx: ctx}
	root, err := sandbox.TempRoot()
	f.must(err)
	f.root = root
	t.Cleanup(func() { os.RemoveAll(root) })
	f.line, err = app.Generated(ctx, root, files)
	f.must(err)
	f.net = newNetwork(t, hosts)
	f.startEtcd()
	f.store, err = store.Open(t.Context(), config.Fleet{Name: "test", Lease: time.Second, Etcd: config.Etcd{Endpoints: []string{"http://" + f.net.gateway() + ":" + etcdPort}}})
	f.must(err)
	t.Cleanup(func() { _ = f.store.Close() })
	for i := range sites {
		f.sites = append(f.sites, fmt.Sprintf("club%d", i))
	}
	for i := range hosts {
		h := &host{fleet: f, spec: spec{
			Name: fmt.Sprintf("web%d", i+1), Address: f.net.address(i), Etcd: f.net.gateway() + ":" + etcdPort,
			Root: filepath.Join(root, fmt.Sprint("h", i+1)), Repository: f.line.Repository, Sites: f.sites,
		}}
		if configure != nil {
			configure(&h.spec)
		}
		f.must(os.Mkdir(h.Root, 0o755))
		f.hosts = append(f.hosts, h)
		h.serve()
	}
	for _, h := range f.hosts {
		h.startAgent()
	}
	for _, h := range f.hosts {
		h.awaitReady(true)
	}
	return f
}

func (f *farm) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// startEtcd runs Debian's etcd-server, which keeps its data where it was.
func (f *farm) startEtcd() {
	f.t.Helper()
	f.etcd = runEtcd(f.whole, f.root, f.net.gateway(), etcdPort, "2380")
}

// runEtcd returns when it answers.
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

// within waits for what has to come about within a minute.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// output may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func kill(c *exec.Cmd) {
	if c != nil && c.Process != nil && c.ProcessState == nil {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
}

// await waits for what has to come about within a minute, or shows what the agents said.
func (f *farm) await(what string, is func() bool) {
	f.t.Helper()
	defer func() {
		if f.t.Failed() {
			f.dump()
		}
	}()
	within(f.t, what, is)
}

func (f *farm) dump() {
	for _, h := range f.hosts {
		if h.log != nil {
			f.t.Logf("agent of %s:\n%s", h.Name, h.log)
		}
	}
}

// serve starts the servers of a host.
func (h *host) serve() {
	f := h.fleet
	f.t.Helper()
	file := h.path("spec.json")
	text, err := json.Marshal(h.spec)
	f.must(err)
	f.must(os.WriteFile(file, text, 0o644))
	own, err := os.Executable()
	f.must(err)
	h.servers = f.net.command(f.hostNumber(h), own)
	h.servers.Env = append(os.Environ(), asHost+"="+file)
	h.servers.Stderr = os.Stderr
	out, err := h.servers.StdoutPipe()
	f.must(err)
	f.must(h.servers.Start())
	servers := h.servers
	f.whole.Cleanup(func() { _ = servers.Process.Signal(syscall.SIGTERM); _ = servers.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		f.t.Fatalf("servers of %s: %q, %v", h.Name, line, err)
	}
}

func (f *farm) hostNumber(h *host) int {
	for i, one := range f.hosts {
		if one == h {
			return i
		}
	}
	return len(f.hosts)
}

func (h *host) command(args ...string) *exec.Cmd {
	c := h.fleet.net.command(h.fleet.hostNumber(h), "relink", append([]string{"--config", h.path("relink.yaml"), "--log-level", "info"}, args...)...)
	c.Env = append(os.Environ(), "HOME="+h.Root)
	return c
}

func (h *host) startAgent() {
	f := h.fleet
	f.t.Helper()
	h.agent, h.log = h.command("agent"), &output{}
	h.agent.Stdout, h.agent.Stderr = h.log, h.log
	f.must(h.agent.Start())
	agent := h.agent
	f.whole.Cleanup(func() { kill(agent) })
}

func (h *host) awaitReady(ready bool) {
	h.fleet.t.Helper()
	h.fleet.await(fmt.Sprintf("%s ready: %v", h.Name, ready), func() bool { return h.ready() == ready })
}

func (h *host) ready() bool {
	client := http.Client{Timeout: time.Second}
	answer, err := client.Get("http://" + h.Address + ":" + readyPort + "/readyz")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// releases are what the links of a host lead to.
func (h *host) releases() []string {
	var all []string
	for _, site := range h.Sites {
		to, err := os.Readlink(h.path("www", site))
		if err != nil {
			to = "none"
		}
		all = append(all, filepath.Base(to))
	}
	return all
}

// on tells whether all links lead to a release of the ref.
func (h *host) on(ref string) bool {
	for _, one := range h.releases() {
		if !strings.HasSuffix(one, "-"+ref) && !strings.Contains(one, "-"+ref+"-") {
			return false
		}
	}
	return true
}

// relink runs the program on the first host; it has to exit with that status.
func (f *farm) relink(exit int, args ...string) (report command.Report) {
	f.t.Helper()
	if slices.Contains([]string{"deploy", "rollback", "status", "history"}, args[1]) {
		args = append([]string{"--format", "json"}, args...)
	}
	c := f.hosts[0].command(args...)
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		f.t.Fatal(err)
	}
	if strings.HasPrefix(out.String(), "{") {
		f.must(schematest.Check(schematest.Of(strings.Join(args[2:4], " ")), out.Bytes()))
	}
	if strings.HasPrefix(out.String(), "{") && args[3] != "status" && args[3] != "history" {
		f.must(json.Unmarshal(out.Bytes(), &report))
	}
	f.t.Logf("relink %s: exit %d\n%s", strings.Join(args, " "), c.ProcessState.ExitCode(), stderr.String())
	if got := c.ProcessState.ExitCode(); got != exit {
		f.dump()
		f.t.Fatalf("exit %d, want %d: %s", got, exit, out.String())
	}
	return report
}

func (f *farm) wantOn(ref string) {
	f.t.Helper()
	for _, h := range f.hosts {
		if !h.on(ref) {
			f.t.Errorf("%s is on %q, want %s", h.Name, h.releases(), ref)
		}
	}
}

// network is a bridge with a namespace for each host.
type network struct {
	t      *testing.T
	id     string
	prefix string
}

func newNetwork(t *testing.T, hosts int) *network {
	t.Helper()
	n := &network{t: t, id: fmt.Sprintf("rl%04x", rand.N(1<<16)), prefix: fmt.Sprintf("10.%d.%d.", 64+rand.N(64), rand.N(256))}
	n.ip("link", "add", n.id, "type", "bridge")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", n.id).Run() })
	n.ip("addr", "add", n.gateway()+"/24", "dev", n.id)
	n.ip("link", "set", n.id, "up")
	for i := range hosts {
		name := n.name(i)
		n.ip("netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		n.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
		n.ip("link", "set", name, "master", n.id, "up")
		n.ip("-n", name, "addr", "add", n.address(i)+"/24", "dev", "eth0")
		n.ip("-n", name, "link", "set", "eth0", "up")
		n.ip("-n", name, "link", "set", "lo", "up")
	}
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %q: %v %s", args, err, out)
	}
}

func (n *network) name(host int) string    { return fmt.Sprintf("%sh%d", n.id, host+1) }
func (n *network) gateway() string         { return n.prefix + "254" }
func (n *network) address(host int) string { return fmt.Sprintf("%s%d", n.prefix, host+1) }

// command runs on a host; it ends with this process.
func (n *network) command(host int, program string, args ...string) *exec.Cmd {
	c := exec.Command("ip", append([]string{"netns", "exec", n.name(host), program}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// cut takes a host off the network, and puts it back.
func (n *network) cut(host int, off bool) {
	n.t.Helper()
	n.ip("link", "set", n.name(host), map[bool]string{true: "down", false: "up"}[off])
}
