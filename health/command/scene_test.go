package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/apps"
	"relink/deploy/release"
	"relink/fcgi"
	"relink/health"
	"relink/health/gather"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/php"
)

const patience = 30 * time.Second

// As without a configuration.
const timeout, window = 5 * time.Second, 15 * time.Minute

// scene is a private PHP-FPM with an application of two instances, both on
// release v1, in which nothing is wrong.
type scene struct {
	t      testing.TB
	ctx    context.Context
	root   string
	server *sandbox.Server
	store  *release.Store
	deps   gather.Deps
	limits health.Thresholds
}

// sound is a master's configuration that the checks of settings have nothing to say about.
func sound(name string, pools ...sandbox.Pool) sandbox.Master {
	return sandbox.Master{
		Name: name, Pools: pools, Settings: map[string]string{"process_control_timeout": "10s"},
		INI: map[string]string{"opcache.file_update_protection": "0"},
	}
}

func newScene(t testing.TB, masters ...sandbox.Master) *scene {
	t.Helper()
	return startScene(t, sandbox.Options{Masters: masters})
}

func startScene(t testing.TB, o sandbox.Options) *scene {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &scene{t: t, ctx: ctx}
	_, s.limits = FromConfig(parsed(t, ""))
	var err error
	if s.root, err = sandbox.TempRoot(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.root) })
	s.application()
	if len(o.Masters) == 0 {
		o.Masters = []sandbox.Master{sound("php", sandbox.Pool{Name: "www", Workers: 2})}
	}
	o.Root, o.NoApache = filepath.Join(s.root, "srv"), true
	for i := range o.Masters { // the release has to be known before its folder is
		for key, value := range o.Masters[i].INI {
			o.Masters[i].INI[key] = strings.ReplaceAll(value, "ROOT", s.root)
		}
	}
	if s.server, err = sandbox.Start(ctx, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.must(s.server.Stop()) })
	s.deps.Pools, s.deps.Configured = s.pools, true
	return s
}

func parsed(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("relink.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) application() {
	app := apps.App{App: config.App{Name: "booking", Releases: filepath.Join(s.root, "releases"), Keep: 1, MinFree: 1}, State: filepath.Join(s.root, "state")}
	s.must(os.MkdirAll(filepath.Join(s.root, "www"), 0o755))
	s.must(os.MkdirAll(app.State, 0o755))
	for _, name := range []string{"club1", "club2"} {
		app.Instances = append(app.Instances, config.Instance{Name: name, Link: filepath.Join(s.root, "www", name)})
	}
	s.deps = gather.Deps{Timeout: timeout, Window: window, Apps: []apps.App{app}, State: app.State, Samples: gather.Folder(filepath.Join(app.State, "health"))}
	var err error
	s.store, err = release.Open(app.Releases)
	s.must(err)
	s.release("v1")
	s.link("club1", "v1")
	s.link("club2", "v1")
}

func (s *scene) pools(context.Context) ([]php.Pool, error) {
	var list []php.Pool
	for _, info := range s.server.Pools() {
		address, err := fcgi.ParseAddress(info.Address)
		if err != nil {
			return nil, err
		}
		list = append(list, php.Pool{Name: info.Name, Address: address, StatusPath: info.StatusPath, AgentDir: s.server.AgentDir()})
	}
	return list, nil
}

// release seals a release whose pages say its name.
func (s *scene) release(id string) {
	s.t.Helper()
	staging, err := s.store.Stage(id)
	s.must(err)
	for name, code := range map[string]string{
		"index.php": "<?php require __DIR__ . '/part.php'; echo part();",
		"part.php":  "<?php function part() { return '" + id + "'; }",
		"page.php":  "<?php echo 'page of " + id + "';",
		"slow.php":  "<?php touch($_GET['began']); while (!file_exists($_GET['end'])) { usleep(5000); clearstatcache(); } echo 'done';",
	} {
		s.must(os.WriteFile(filepath.Join(staging.Path(), name), []byte(code), 0o644))
	}
	_, err = staging.Seal(s.ctx, release.Manifest{Ref: id})
	s.must(err)
}

// link moves an instance by hand, as nobody should.
func (s *scene) link(instance, id string) {
	s.t.Helper()
	path := s.path("www", instance)
	s.must(os.Symlink(s.path("releases", id), path+".new"))
	s.must(os.Rename(path+".new", path))
}

func (s *scene) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

// get asks a pool for a script by its literal path.
func (s *scene) get(pool, script string) string {
	s.t.Helper()
	body, err := s.request(s.ctx, pool, script, "")
	s.must(err)
	return body
}

func (s *scene) request(ctx context.Context, pool, script, query string) (string, error) {
	address, err := fcgi.ParseAddress(s.server.Pool(pool).Address)
	if err != nil {
		return "", err
	}
	answer, err := fcgi.Call(ctx, address, fcgi.Request{Script: script, Params: map[string]string{"QUERY_STRING": query}})
	return string(answer.Body), err
}

// slow begins a request that runs until the function that it returns is called.
func (s *scene) slow(pool string) (end func()) {
	s.t.Helper()
	began, stop := s.path("srv", "tmp", "began"), s.path("srv", "tmp", "end")
	done := make(chan error, 1)
	go func() {
		_, err := s.request(context.Background(), pool, s.path("releases", "v1", "slow.php"), "began="+began+"&end="+stop)
		done <- err
	}()
	s.await("the slow request", func() bool { _, err := os.Stat(began); return err == nil })
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

func (s *scene) await(what string, reached func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("%s did not come", what)
		}
	}
}

// stopWorkers has a pool's workers hang until they are woken.
func (s *scene) stopWorkers(pool string) (wake func()) {
	s.t.Helper()
	pids, err := s.server.WorkerPIDs(pool)
	s.must(err)
	for _, pid := range pids {
		s.must(syscall.Kill(pid, syscall.SIGSTOP))
	}
	wake = func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGCONT) // one that has ended needs none
		}
	}
	s.t.Cleanup(wake)
	return wake
}

func (s *scene) agent(pool string) *php.Agent {
	s.t.Helper()
	list, err := s.pools(s.ctx)
	s.must(err)
	for _, p := range list {
		if p.Name == pool {
			agent, err := php.NewAgent(p)
			s.must(err)
			return agent
		}
	}
	s.t.Fatalf("no pool %s", pool)
	return nil
}

func (s *scene) evaluate() []health.Result {
	s.t.Helper()
	return health.Evaluate(gather.Facts(s.ctx, s.deps), s.limits)
}

// fires wants a check in that state for some subject, with words in its message
// or details, and with a fix.
func (s *scene) fires(results []health.Result, check string, state health.State, words ...string) {
	s.t.Helper()
	for _, r := range made(results, check) {
		text := fmt.Sprint(r.Subject, ": ", r.Message, r.Details)
		if r.State != state || !containsAll(text, words) {
			continue
		}
		if r.Fix == "" && state != health.Unknown && state != health.OK {
			s.t.Errorf("%s has no fix: %+v", check, r)
		}
		return
	}
	s.t.Errorf("%s is not %s with %q: %+v", check, state, words, made(results, check))
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// quiet wants nothing wrong but the given checks.
func (s *scene) quiet(results []health.Result, but ...string) {
	s.t.Helper()
	for _, r := range results {
		if r.State != health.OK && !strings.Contains(" "+strings.Join(but, " ")+" ", " "+r.Check+" ") {
			s.t.Errorf("%s %s: %s: %s %v", r.State, r.Check, r.Subject, r.Message, r.Details)
		}
	}
}

func made(results []health.Result, check string) []health.Result {
	return slices.DeleteFunc(slices.Clone(results), func(r health.Result) bool { return r.Check != check })
}
