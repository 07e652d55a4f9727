package fleettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"relink/deploy/apache"
	"relink/deploy/fleet/ca"
	"relink/deploy/webmap"
	"relink/internal/sandbox"
)

// spec is one host, as its own process reads it.
type spec struct {
	Name       string
	Address    string   // of this host in the test's network
	Etcd       []string // URLs of its members
	Root       string
	Repository string
	Sites      []string
	Check      string // of each site, as YAML; URL stands for the web server's, HELD for what answers once the file check-held is gone, and badly where check-fails is
	Hooks      string // of the application, as YAML
	Clock      int    // seconds that relink's clock is ahead
	Extra      string // lines of the configuration's fleet section
	Fleet      string // that section, as relink has printed it; "": with an etcd that asks for no certificate
}

// Ports in each host's own network.
const (
	webPort   = "80"
	readyPort = "9157"
	etcdPort  = "2379"
	heldPort  = "8080" // on loopback
)

// Files of a host by which a test holds it at a point, or has its checks fail.
const (
	hookHeld   = "hook-held"   // prepared but for its hook
	checkHeld  = "check-held"  // it has cut over
	checkFails = "check-fails" // then
	afterHeld  = "after-held"  // the release stays
)

func (s spec) folder() ca.Folder { return ca.Folder(s.path("fleet")) }

func (s spec) path(names ...string) string {
	return filepath.Join(append([]string{s.Root}, names...)...)
}

// serveHost runs Apache and PHP-FPM until it is told to end, and forwards its address to
// them.
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
	err = forward(ctx, net.JoinHostPort(s.Address, webPort), strings.TrimPrefix(server.URL(), "http://"))
	if err == nil {
		err = s.answerChecks(ctx)
	}
	if err != nil {
		return errors.Join(err, server.Stop())
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
		section = fmt.Sprintf("fleet:\n  name: test\n  host: %s\n  etcd: {endpoints: [\"%s\"], ca: %q, cert: %q, key: %q}\n",
			s.Name, strings.Join(s.Etcd, `", "`), s.folder().CA(), s.folder().Cert(), s.folder().Key())
	}
	fmt.Fprintf(&b, "%s  labels: [\"role=%s\"]\n  ready: \"%s:%s\"\n%s", section, s.role(), s.Address, readyPort, s.Extra)
	fmt.Fprintf(&b, "apps:\n  club:\n    source: {git: %q}\n    releases: %q\n    docroot: public\n    min_free: 1\n    map: %q\n", s.Repository, s.path("releases"), s.path("map"))
	fmt.Fprintf(&b, "    probe: {url: %q, host: \"{instance}.test\"}\n", server.URL()+"/")
	if s.Check != "" {
		fmt.Fprintf(&b, "    check: %s\n", strings.NewReplacer("URL", server.URL(), "HELD", "http://127.0.0.1:"+heldPort).Replace(s.Check))
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

// answerChecks says that a site is well, once the test lets it.
func (s spec) answerChecks(ctx context.Context) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", heldPort))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for s.has(checkHeld) && r.Context().Err() == nil {
			<-time.After(5 * time.Millisecond)
		}
		if s.has(checkFails) {
			http.Error(w, "not well", http.StatusInternalServerError)
		}
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return nil
}

func (s spec) has(file string) bool {
	_, err := os.Stat(s.path(file))
	return err == nil
}

// until is a command that ends once the file is gone.
func (s spec) until(file string) string {
	return fmt.Sprintf("while test -e %s; do sleep 0.02; done", s.path(file))
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
			go pass(in, "tcp", to)
		}
	}()
	return nil
}

func pass(in net.Conn, network, to string) {
	defer in.Close()
	out, err := net.Dial(network, to)
	if err != nil {
		return
	}
	defer out.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(in, out)
		_ = in.(halfCloser).CloseWrite()
	}()
	_, _ = io.Copy(out, in)
	_ = out.(halfCloser).CloseWrite()
	<-back
}

// halfCloser is a connection by TCP or by a socket.
type halfCloser interface{ CloseWrite() error }
