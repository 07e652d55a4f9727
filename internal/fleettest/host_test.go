package fleettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"relink/deploy/apache"
	"relink/deploy/webmap"
	"relink/internal/sandbox"
)

// spec is one host, as its own process reads it.
type spec struct {
	Name       string
	Address    string // of this host in the test's network
	Etcd       string // host:port there
	Root       string
	Repository string
	Sites      []string
	Check      string // of each site, as YAML; URL stands for the web server's
	Hooks      string // of the application, as YAML
	Extra      string // lines of the configuration's fleet section
	Fleet      string // that section, as relink has printed it; "": with an etcd that asks for no certificate
}

// Ports in each host's own network.
const (
	webPort   = "80"
	readyPort = "9157"
	etcdPort  = "2379"
)

func (s spec) path(names ...string) string {
	return filepath.Join(append([]string{s.Root}, names...)...)
}

// serveHost runs Apache and PHP-FPM until it is told to end. It forwards its address to
// them, and a port of loopback to etcd, as a tunnel does.
func serveHost(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for _, folder := range []string{"www", "releases"} {
		if err := os.MkdirAll(s.path(folder), 0o755); err != nil {
			return err
		}
	}
	if _, err := os.Stat(s.path("map")); err != nil {
		if err := webmap.Write(s.path("map"), nil); err != nil {
			return err
		}
	}
	server, err := s.start(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("relink.yaml"), []byte(s.configuration(server)), 0o644); err != nil {
		return err
	}
	for from, to := range map[string]string{
		net.JoinHostPort(s.Address, webPort):    strings.TrimPrefix(server.URL(), "http://"),
		net.JoinHostPort("127.0.0.1", etcdPort): s.Etcd,
	} {
		if err := forward(ctx, from, to); err != nil {
			return errors.Join(err, server.Stop())
		}
	}
	fmt.Println("up")
	<-ctx.Done()
	return server.Stop()
}

func (s spec) start(ctx context.Context) (*sandbox.Server, error) {
	include := apache.Include{App: "club", Form: apache.FormVHost, Releases: s.path("releases"), Docroot: "public", Map: s.path("map"), AllowOverride: "None"}
	text, err := include.Text()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.path("include.conf"), []byte(text), 0o644); err != nil {
		return nil, err
	}
	var sites []sandbox.Site
	for _, name := range s.Sites {
		sites = append(sites, sandbox.Site{
			Host: name + ".test", DocumentRoot: s.path("www", name, "public"),
			Directives: []string{"Define RELINK_INSTANCE " + name, fmt.Sprintf("Include %q", s.path("include.conf"))},
		})
	}
	ini := map[string]string{"opcache.memory_consumption": "64", "opcache.file_update_protection": "0"}
	return sandbox.Start(ctx, sandbox.Options{Root: s.path("srv"), Sites: sites, INI: ini,
		Masters: []sandbox.Master{{INI: ini, Pools: []sandbox.Pool{{Name: "www", Workers: 4}}}}})
}

func (s spec) configuration(server *sandbox.Server) string {
	var b strings.Builder
	pool := server.Pool("")
	fmt.Fprintf(&b, "state_dir: %q\npools: [{address: %q, status_path: %s, agent_dir: %q}]\n", s.path("state"), pool.Address, pool.StatusPath, server.AgentDir())
	section := s.Fleet
	if section == "" {
		section = fmt.Sprintf("fleet:\n  name: test\n  host: %s\n  etcd: {endpoints: [\"http://127.0.0.1:%s\"]}\n", s.Name, etcdPort)
	}
	fmt.Fprintf(&b, "%s  labels: [\"role=%s\"]\n  ready: \"%s:%s\"\n%s", section, s.role(), s.Address, readyPort, s.Extra)
	fmt.Fprintf(&b, "apps:\n  club:\n    source: {git: %q}\n    releases: %q\n    docroot: public\n    min_free: 1\n    map: %q\n", s.Repository, s.path("releases"), s.path("map"))
	fmt.Fprintf(&b, "    probe: {url: %q, host: \"{instance}.test\"}\n", server.URL()+"/")
	if s.Check != "" {
		fmt.Fprintf(&b, "    check: %s\n", strings.ReplaceAll(s.Check, "URL", server.URL()))
	}
	if s.Hooks != "" {
		fmt.Fprintf(&b, "    hooks: %s\n", s.Hooks)
	}
	b.WriteString("    instances:\n")
	for _, name := range s.Sites {
		fmt.Fprintf(&b, "      %s: %q\n", name, s.path("www", name))
	}
	return b.String()
}

// role is by the host's number: the first is a canary.
func (s spec) role() string {
	if strings.HasSuffix(s.Name, "1") {
		return "canary"
	}
	return "web"
}

// forward passes connections on until ctx ends.
func forward(ctx context.Context, from, to string) error {
	listener, err := net.Listen("tcp", from)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(in, to)
		}
	}()
	return nil
}

func pass(in net.Conn, to string) {
	defer in.Close()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(in, out)
		_ = in.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(out, in)
	_ = out.(*net.TCPConn).CloseWrite()
	<-back
}
