package probe_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/fcgi"
	"relink/php"
)

// Every operation of the agent works through the web server as it does by FastCGI.
func TestAgentThroughTheWebServer(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{})
			agent, ctx := s.agent(), bounded(t)
			index := s.root + "/releases/v1/public/index.php"

			worker, err := agent.Ping(ctx)
			s.must(err)
			if worker.SAPI != server.sapi || !slices.Contains(s.children(), worker.PID) {
				t.Errorf("%+v is none of %v", worker, s.children())
			}
			configuration, err := agent.Configuration(ctx)
			s.must(err)
			if configuration.ValidateTimestamps || worker.PHPVersion == "" {
				t.Errorf("%+v", configuration)
			}
			compiled, err := agent.Compile(ctx, []string{index, s.root + "/none.php"}, 0)
			s.must(err)
			if compiled[0].Outcome != php.Compiled || compiled[1].Outcome != php.Failed {
				t.Errorf("%+v", compiled)
			}
			scripts, err := agent.Scripts(ctx, []string{s.root + "/releases"})
			s.must(err)
			if len(scripts) != 2 { // with the probe
				t.Errorf("%+v", scripts)
			}
			holdings, _, err := agent.Holdings(ctx, []string{s.root + "/releases/v1"})
			s.must(err)
			if holdings[0].Live != 2 {
				t.Errorf("%+v", holdings)
			}
			many := []string{index}
			for len(many) < 20_000 { // several requests, each with a body of 224 KiB
				many = append(many, s.root+"/releases/v1/public/none"+strings.Repeat("x", 20)+".php")
			}
			dropped, err := agent.Invalidate(ctx, many, 0)
			s.must(err)
			if dropped.Invalidated != 1 || dropped.Next != len(many) {
				t.Errorf("%d invalidated, next %d", dropped.Invalidated, dropped.Next)
			}
			swept, err := agent.Sweep(ctx)
			s.must(err)
			if swept.RealpathCache != 0 || worker.RealpathCache == 0 {
				t.Errorf("before %+v, swept %+v", worker, swept)
			}
			s.must(agent.Reset(ctx))
			status, err := agent.Status(ctx)
			s.must(err)
			if status.Statistics.ManualRestarts != 1 {
				t.Errorf("%+v", status)
			}
		})
	}
}

// The envelope of a fatal error gets through as well.
func TestFatalErrorThroughTheWebServer(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{rules: map[string]string{"nginx with FPM": "fastcgi_intercept_errors on;\nerror_page 500 /none.html;\n"}[server.name]})
			broken := writeFile(t, s.root+"/releases/v1/broken.php", "<?php function twice() {} function twice() {}")
			good := writeFile(t, s.root+"/releases/v1/good.php", "<?php")
			got, err := s.agent().Compile(bounded(t), []string{broken, good}, 0)
			s.must(err)
			if len(got) != 2 || got[0].Outcome != php.Failed || got[1].Outcome != php.Compiled {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A set-up in which PHP is given paths through the link goes on with the old
// release until the work is done; the probe tells so.
func TestProbeIsAsStaleAsThePages(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{})
			agent, ctx := s.agent(), bounded(t)
			s.release("v2")
			s.expect("v1")
			s.link("v2")
			s.expect("v1")
			_, err := agent.Sweep(ctx)
			s.must(err)
			s.expect("v1")
			scripts, err := agent.Scripts(ctx, []string{s.root + "/releases/v1"})
			s.must(err)
			var old []string
			for _, script := range scripts {
				old = append(old, script.Path)
			}
			dropped, err := agent.Invalidate(ctx, old, 0)
			s.must(err)
			if dropped.Invalidated != 2 {
				t.Errorf("%+v of %v", dropped, old)
			}
			s.expect("v2")
		})
	}
}

// expect compares what the probe says and what a visitor gets.
func (s *site) expect(release string) {
	s.t.Helper()
	if a := s.ask(); a.File != s.script(release) {
		s.t.Errorf("the probe tells %s, want %s", a.File, release)
	}
	if page := s.get("index.php", nil); !strings.HasSuffix(page, "\n\n"+release) {
		s.t.Errorf("the page is %q, want %s", page, release)
	}
}

// A worker that belongs to a connection of Apache gets no other call; through
// Apache it is reached.
func TestPinnedWorkerIsReached(t *testing.T) {
	s := newSite(t, startEvent, web{workers: 3, reuse: true})
	pinned := s.ask().PID
	address, err := fcgi.ParseAddress(s.fpm.Pool("").Address)
	s.must(err)
	direct, err := php.NewAgent(php.Pool{Address: address, AgentDir: s.agents})
	s.must(err)
	for range 12 {
		if worker, err := direct.Sweep(bounded(t)); err != nil || worker.PID == pinned {
			t.Fatalf("%d answered a FastCGI call (%v), pinned is %d", worker.PID, err, pinned)
		}
	}
	worker, err := direct.ThroughDoor(s.door()).Sweep(bounded(t))
	if err != nil || worker.PID != pinned || worker.RealpathCache != 0 {
		t.Errorf("%+v (%v), pinned is %d", worker, err, pinned)
	}
}

// What keeps the agent from running has the names that it has in a pool.
func TestAgentIsNotThere(t *testing.T) {
	for _, server := range servers[:2] {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{})
			agent := s.agent()
			file := onlyFile(t, s.agents)
			if os.Geteuid() == 0 { // else PHP runs as the caller
				s.must(os.Chmod(file, 0o600))
				_, err := agent.Ping(bounded(t))
				wantError(t, err, php.ErrAgentUnreadable, file)
			}
			s.must(os.Remove(file))
			_, err := agent.Ping(bounded(t))
			wantError(t, err, php.ErrAgentNotVisible, file, "agent_dir")
		})
		t.Run("open_basedir "+server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{ini: map[string]string{"open_basedir": "{root}/releases"}})
			_, err := s.agent().Ping(bounded(t))
			wantError(t, err, php.ErrOpenBasedir, s.agents)
		})
		t.Run("restrict_api "+server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{ini: map[string]string{"opcache.restrict_api": "/srv/admin"}})
			agent := s.agent()
			_, err := agent.Status(bounded(t))
			wantError(t, err, php.ErrRestrictAPI, "/srv/admin", "document roots")
			if _, err := agent.Sweep(bounded(t)); err != nil {
				t.Error(err) // needs none of it
			}
		})
	}
}

func onlyFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(dir + "/*")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0]
}
