package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/command"
	"relink/fcgi"
	"relink/health/gather"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/internal/schematest"
	"relink/php"

	"github.com/rs/zerolog"
)

const patience = 60 * time.Second

// await waits until something is so.
func await(t testing.TB, what string, reached func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		}
	}
}

// idle is a service with nothing to look at.
func idle(t testing.TB) Options {
	return Options{
		Serve: config.Serve{Listen: "127.0.0.1:0", Interval: 20 * time.Millisecond, History: 16 << 20}, Share: 1, Limits: usualLimits, Version: "test", Log: zerolog.Nop(),
		Health: gather.Deps{Timeout: 5 * time.Second, Window: 15 * time.Minute, State: t.TempDir(), Pools: func(context.Context) ([]php.Pool, error) { return nil, nil }, Configured: true},
	}
}

// running is a service under test.
type running struct {
	t      testing.TB
	addr   net.Addr
	client *http.Client
	base   string
	cancel context.CancelFunc
	ended  chan error
}

func start(t testing.TB, o Options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, cancel: cancel, ended: make(chan error, 1), client: &http.Client{Timeout: patience}}
	listening := make(chan net.Addr, 1)
	o.Listening = func(a net.Addr) { listening <- a }
	go func() { r.ended <- Run(ctx, o) }()
	t.Cleanup(r.stop)
	select {
	case r.addr = <-listening:
	case err := <-r.ended:
		r.ended <- err
		t.Fatal(err)
	}
	r.base = "http://" + r.addr.String()
	return r
}

// stop ends the service, once.
func (r *running) stop() {
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	r.client.CloseIdleConnections()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Error(err)
		}
	case <-time.After(patience):
		r.t.Error("the service does not end")
	}
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	answer, err := r.client.Get(r.base + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if address := strings.TrimPrefix(answer.Request.URL.Path, "/api/v1/"); address != answer.Request.URL.Path {
		r.wantSchema(address, answer.StatusCode, body)
	}
	return answer.StatusCode, string(body)
}

// wantSchema holds what the API answers against its schema.
func (r *running) wantSchema(address string, status int, body []byte) {
	r.t.Helper()
	name := "api-" + address
	if status != http.StatusOK {
		name = "api-error"
	}
	if err := schematest.Check(name, body); err != nil {
		r.t.Error(err)
	}
}

func (r *running) json(path string, to any) {
	r.t.Helper()
	status, body := r.get(path)
	if status != http.StatusOK {
		r.t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), to); err != nil {
		r.t.Fatalf("%s: %v\n%s", path, err, body)
	}
}

// looked waits until the first look has ended.
func (r *running) looked() *running {
	r.t.Helper()
	await(r.t, "the first look", func() bool { status, _ := r.get("/api/v1/state"); return status == http.StatusOK })
	return r
}

func (r *running) state() State {
	r.t.Helper()
	var s State
	r.json("/api/v1/state", &s)
	return s
}

// notices waits for a change of a kind with a word.
func (r *running) notices(kind, words string) {
	r.t.Helper()
	await(r.t, kind+" "+words, func() bool {
		for _, c := range r.state().Changes {
			if c.Kind == kind && bytes.Contains([]byte(c.Message), []byte(words)) {
				return true
			}
		}
		return false
	})
}

// scene is a private PHP-FPM with an application of two instances.
type scene struct {
	t      testing.TB
	ctx    context.Context
	root   string
	file   string
	server *sandbox.Server
}

func newScene(t testing.TB) *scene {
	t.Helper()
	return newSceneOf(t, map[string]string{"opcache.file_update_protection": "0"}, 2)
}

func newSceneOf(t testing.TB, ini map[string]string, instances int) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	s := &scene{t: t, ctx: ctx}
	var err error
	if s.root, err = sandbox.TempRoot(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.root) })
	s.must(os.MkdirAll(s.path("www"), 0o755))
	s.server, err = sandbox.Start(ctx, sandbox.Options{Root: s.path("srv"), NoApache: true, Masters: []sandbox.Master{{
		Name: "php", Pools: []sandbox.Pool{{Name: "www", Workers: 2}},
		Settings: map[string]string{"process_control_timeout": "10s"}, INI: ini,
	}}})
	s.must(err)
	t.Cleanup(func() { s.must(s.server.Stop()) })
	s.file = s.path("relink.yaml")
	s.must(os.WriteFile(s.file, []byte(s.configuration(instances)), 0o644))
	return s
}

func (s *scene) configuration(instances int) string {
	var links []string
	for i := range instances {
		links = append(links, fmt.Sprintf("club%d: %s/www/club%d", i+1, s.root, i+1))
	}
	pool := s.server.Pool("www")
	return fmt.Sprintf(`state_dir: %[1]s/state
apps:
  booking:
    source: {dir: "%[1]s/source/{ref}"}
    releases: %[1]s/releases
    keep: 1
    min_free: 1
    instances: {%[5]s}
pools: [{address: %[2]s, status_path: %[3]s, agent_dir: %[4]s}]
restart: {wait: 0s, quiet: 1s}
`, s.root, pool.Address, pool.StatusPath, s.server.AgentDir(), strings.Join(links, ", "))
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

func (s *scene) load() *config.Config {
	s.t.Helper()
	c, err := config.Load(s.file)
	s.must(err)
	return c
}

// options are those that the command makes of the configuration.
func (s *scene) options() Options {
	s.t.Helper()
	o, err := program{Env: &cli.Env{Stderr: io.Discard, Version: "test"}}.translate(s.load())
	s.must(err)
	o.Listen, o.Interval, o.Share = "127.0.0.1:0", 50*time.Millisecond, 1
	return o
}

// deploy runs the command as the program composes it.
func (s *scene) deploy(ref string) {
	s.t.Helper()
	dir := s.path("source", ref)
	s.must(os.MkdirAll(dir, 0o755))
	s.must(os.WriteFile(filepath.Join(dir, "index.php"), []byte("<?php echo '"+ref+"';"), 0o644))
	s.must(os.WriteFile(filepath.Join(dir, "slow.php"), []byte("<?php touch($_GET['began']); while (!file_exists($_GET['end'])) { usleep(5000); clearstatcache(); } echo 'done';"), 0o644))
	var out bytes.Buffer
	env := &cli.Env{Out: &out, Stderr: io.Discard}
	load := func() (*config.Config, error) { return config.Load(s.file) }
	if err := env.Run(s.ctx, []string{"relink", "deploy", "--all", ref}, command.Commands(env, load)...); err != nil {
		s.t.Fatalf("deploy %s: %v\n%s", ref, err, out.String())
	}
}

func (s *scene) request(script, query string) (string, error) {
	address, err := fcgi.ParseAddress(s.server.Pool("www").Address)
	if err != nil {
		return "", err
	}
	answer, err := fcgi.Call(s.ctx, address, fcgi.Request{Script: script, Params: map[string]string{"QUERY_STRING": query}})
	return string(answer.Body), err
}

// slow begins a request that runs until the function that it returns is called.
func (s *scene) slow() (end func()) {
	s.t.Helper()
	began, stop := s.path("srv", "tmp", "began"), s.path("srv", "tmp", "end")
	done := make(chan error, 1)
	go func() {
		_, err := s.request(s.path("www", "club1", "slow.php"), "began="+began+"&end="+stop)
		done <- err
	}()
	await(s.t, "the slow request", func() bool { _, err := os.Stat(began); return err == nil })
	ended := false
	end = func() {
		if !ended {
			ended = true
			s.must(os.WriteFile(stop, nil, 0o644))
			s.must(<-done)
		}
	}
	s.t.Cleanup(end)
	return end
}

// overSocket asks a service that listens on a unix socket.
func overSocket(t testing.TB, path string) *running {
	return &running{t: t, base: "http://relink", client: &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}}
}
