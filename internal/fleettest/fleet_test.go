package fleettest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
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
	etcd  *cluster
	store *store.Store
	sites []string
}

// host is one of them.
type host struct {
	spec
	fleet   *farm
	servers *exec.Cmd // Apache and PHP-FPM
	agent   *exec.Cmd
	log     *output      // the agent's
	gone    atomic.Int64 // until when no visitor could be served, by the test's doing; far ahead while that lasts
}

// files of the application.
const files = 30

// newFleet runs hosts, and a member of etcd, each on a machine of its own.
func newFleet(t *testing.T, hosts, sites int, configure func(*spec)) *farm {
	t.Helper()
	return newFleetOn(t, hosts, sites, 1, configure)
}

// newFleetOn runs as many members of etcd.
func newFleetOn(t *testing.T, hosts, sites, members int, configure func(*spec)) *farm {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	t.Cleanup(cancel)
	f := &farm{t: t, whole: t, ctx: ctx}
	root, err := sandbox.TempRoot()
	f.must(err)
	f.root = root
	t.Cleanup(func() { os.RemoveAll(root) })
	f.line, err = app.Generated(ctx, root, files)
	f.must(err)
	f.net = newNetwork(t, hosts+members)
	authority, err := f.folder("authority").MakeAuthority("test", time.Now())
	f.must(err)
	f.etcd = newCluster(f, authority, hosts, members)
	own := f.folder("test")
	f.store, err = store.Open(t.Context(), config.Fleet{Name: "test", Lease: time.Second, Etcd: config.Etcd{Endpoints: f.etcd.urls(), CA: own.CA(), Cert: own.Cert(), Key: own.Key()}})
	f.must(err)
	t.Cleanup(func() { _ = f.store.Close() })
	for i := range sites {
		f.sites = append(f.sites, fmt.Sprintf("club%d", i))
	}
	for i := range hosts {
		h := &host{fleet: f, spec: spec{
			Name: fmt.Sprintf("web%d", i+1), Address: f.net.address(i), Etcd: f.etcd.urls(),
			Root: filepath.Join(root, fmt.Sprint("h", i+1)), Repository: f.line.Repository, Sites: f.sites,
		}}
		if configure != nil {
			configure(&h.spec)
		}
		f.must(os.Mkdir(h.Root, 0o755))
		f.certify(authority, filepath.Base(h.Root)+"/fleet", ca.Host{Name: h.Name, Addresses: []netip.Addr{netip.MustParseAddr(h.Address)}})
		f.hosts = append(f.hosts, h)
		h.serve()
	}
	f.etcd.awaitAnswers()
	for _, h := range f.hosts {
		h.startAgent()
	}
	for _, h := range f.hosts {
		h.awaitReady(true)
	}
	return f
}

func (f *farm) folder(name string) ca.Folder {
	f.t.Helper()
	folder := ca.Folder(filepath.Join(f.root, name))
	f.must(folder.Make())
	return folder
}

// certify makes a folder with a certificate.
func (f *farm) certify(a *ca.Authority, folder string, to ca.Host) ca.Folder {
	f.t.Helper()
	own := f.folder(folder)
	key, err := own.MakeHostKey()
	f.must(err)
	c, err := a.Issue(to, key.Public(), time.Now())
	f.must(err)
	f.must(own.Keep(c))
	f.must(own.Trust(a.Certificate))
	return own
}

func (f *farm) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
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
	f := h.fleet
	f.t.Helper()
	program, env := "relink", append(os.Environ(), "HOME="+h.Root)
	if h.Clock != 0 {
		var err error
		program, err = otherClock()
		f.must(err)
		env = append(env, fmt.Sprintf("%s=%d", clockAhead, h.Clock))
	}
	c := f.net.command(f.hostNumber(h), program, append([]string{"--config", h.path("relink.yaml"), "--log-level", "info", "--log-format", "json"}, args...)...)
	c.Env = env
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
func (f *farm) relink(exit int, args ...string) command.Report {
	f.t.Helper()
	return f.relinkOn(0, exit, args...)
}

func (f *farm) relinkOn(host, exit int, args ...string) (report command.Report) {
	f.t.Helper()
	if slices.Contains([]string{"deploy", "rollback", "status", "history"}, args[1]) {
		args = append([]string{"--format", "json"}, args...)
	}
	c := f.hosts[host].command(args...)
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
