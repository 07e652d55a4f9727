package serve

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/fcgi"
	"relink/health"
	"relink/health/command"
	"relink/health/gather"
	"relink/health/render"
	"relink/internal/config"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php"
)

// A deploy while the service runs: it is seen in each answer, and no check takes
// it for a fault.
func TestADeployIsNoticed(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	r := start(t, s.options()).looked()
	if status, body := r.get("/readyz"); status != http.StatusOK {
		t.Fatalf("not ready: %s", body)
	}
	if _, err := s.request(s.path("www", "club1", "index.php"), ""); err != nil {
		t.Fatal(err)
	}
	s.deploy("r2")
	await(t, "both links' move", func() bool { return r.moved("r2") == 2 })
	r.notices("deploy", "r2 ended")
	await(t, "the new release", func() bool {
		for _, one := range r.state().Apps[0].Instances {
			if !strings.Contains(one.Release, "r2") || one.Problem != "" {
				return false
			}
		}
		return true
	})
	var d Deploys
	r.json("/api/v1/deploys?app=booking&limit=1", &d)
	if len(d.Deploys) != 1 || d.Deploys[0].Ref != "r2" || d.Deploys[0].Moved != 2 || d.Error != "" {
		t.Errorf("%+v", d)
	}
	var checks render.Document
	// A full look while the deploy was ending is none of what stands now.
	await(t, "a full look at the new release, after which nothing is left out", func() bool {
		state := r.state()
		checks = render.Document{}
		r.json("/api/v1/checks", &checks)
		return state.FullTime.After(d.Deploys[0].Time) && state.Caches.Masters[0].Memory.LiveBytes > 0 &&
			!slices.ContainsFunc(checks.Results, func(one health.Result) bool { return strings.Contains(one.Message, "left out") })
	})
	for _, one := range checks.Results {
		if one.State == health.Critical {
			t.Errorf("%+v", one)
		}
	}
}

// moved is how many links have been seen to move to a release: a look may come between two.
func (r *running) moved(to string) (all int) {
	r.t.Helper()
	for _, c := range r.state().Changes {
		var n int
		if c.Kind != "link" || !strings.HasSuffix(c.Message, to) {
			continue
		}
		if _, err := fmt.Sscan(c.Message, &n); err != nil {
			r.t.Fatal(err)
		}
		all += n
	}
	return all
}

func TestFPMMayStopAndStart(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	r := start(t, s.options()).looked()
	s.must(s.server.StopMaster("php"))
	await(t, "not ready", func() bool {
		status, body := r.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "pool ")
	})
	if status, _ := r.get("/healthz"); status != http.StatusOK {
		t.Error("the service itself is not alive")
	}
	if status, body := r.get("/metrics"); status != http.StatusOK || !strings.Contains(body, "relink_pool_up{") || !strings.Contains(body, "} 0\n") {
		t.Errorf("%d %s", status, body)
	}
	s.must(s.server.StartMaster(s.ctx, "php"))
	r.notices("pool", "answers again")
	await(t, "ready", func() bool { status, _ := r.get("/readyz"); return status == http.StatusOK })
}

// A restart that a deploy has put off is done when it is quiet, and not before.
func TestAPendingRestartIsFinishedWhenQuiet(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	end := s.slow()
	await(t, "a request that is older than restart.quiet", func() bool {
		list, err := s.busy()
		return err == nil && list > time.Second
	})
	usage := s.usage()
	s.must(restart.WritePending(s.path("state"), []restart.Pending{{
		Order: restart.Order{Pools: usage.Pools, Decision: restart.Decision{Action: restart.Reset, Reasons: []restart.Reason{}}}, Since: time.Now(), Started: usage.Started, Restarts: usage.Restarts,
	}}))
	r := start(t, s.options()).looked()
	await(t, "a try", func() bool {
		pending := r.state().Pending
		return len(pending) == 1 && pending[0].Tries > 0
	})
	end()
	await(t, "the restart", func() bool { return len(r.state().Pending) == 0 })
	r.notices("master", "the FPM master was started or reloaded")
	done, err := restart.ReadHistory(s.path("state"))
	s.must(err)
	if len(done) != 1 || !done[0].Done() || done[0].By != "relink serve" {
		t.Errorf("%+v", done)
	}
	if status, body := r.get("/metrics"); status != http.StatusOK || !strings.Contains(body, "relink_pending_restarts_finished_total 1\n") {
		t.Errorf("%d: no restart is counted", status)
	}
}

func TestTheServiceLeavesOnlyItsHistory(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	before := entries(t, s.path("state"))
	o := s.options()
	o.Listen = "unix:" + s.path("serve.sock")
	r := start(t, o)
	await(t, "the socket", func() bool { _, err := os.Stat(s.path("serve.sock")); return err == nil })
	r.stop()
	for name := range entries(t, s.path("state")) {
		if !before[name] && name != historyFolder && name != "health" {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := os.Stat(s.path("serve.sock")); err == nil {
		t.Error("the socket is left")
	}
}

func entries(t *testing.T, dir string) map[string]bool {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range list {
		names[e.Name()] = true
	}
	return names
}

func (s *scene) usage() opcache.Usage {
	s.t.Helper()
	_, pools := s.caches()
	caches, err := opcache.Connect(s.ctx, pools, opcache.Options{Timeouts: config.Timeouts{Call: 10 * time.Second, Sweep: 100 * time.Millisecond, Settle: 30 * time.Second}, Warm: config.Warm{Workers: 1}})
	s.must(err)
	usages, err := caches.Usage(s.ctx)
	s.must(err)
	return usages[0]
}

func (s *scene) caches() (gather.Deps, []php.Pool) {
	s.t.Helper()
	d, _ := command.FromConfig(s.load())
	pools, err := d.Pools(s.ctx)
	s.must(err)
	return d, pools
}

// busy is how long the oldest request has been running.
func (s *scene) busy() (time.Duration, error) {
	_, pools := s.caches()
	status, err := fcgi.Status(s.ctx, pools[0].Address, pools[0].StatusPath)
	if err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, p := range status.Processes {
		if p.State == fcgi.StateRunning {
			longest = max(longest, p.RequestDuration)
		}
	}
	return longest, nil
}

// What the thresholds ask for is done where the configuration wants it, also if
// no deploy has decided it.
func TestTheServiceRestartsWhatIsNeeded(t *testing.T) {
	s := newSceneOf(t, map[string]string{"opcache.file_update_protection": "0", "opcache.memory_consumption": "8", "opcache.interned_strings_buffer": "1"}, 2)
	s.deploy("r1")
	_, pools := s.caches()
	agent, err := php.NewAgent(pools[0])
	s.must(err)
	var files []string
	for i := range 60 {
		file := s.path("source", fmt.Sprintf("waste%d.php", i))
		s.must(os.WriteFile(file, []byte("<?php return ["+strings.Repeat("1, ", 3000)+"];"), 0o644))
		files = append(files, file)
	}
	_, err = agent.Compile(s.ctx, files, 0)
	s.must(err)
	_, err = agent.Invalidate(s.ctx, files, 0)
	s.must(err)
	if o := s.options(); o.Maintain != nil {
		t.Error("it decides though nobody wants it to")
	}
	text, err := os.ReadFile(s.file)
	s.must(err)
	s.must(os.WriteFile(s.file, append(text, "\nserve: {restart: needed}\n"...), 0o644))
	start(t, s.options()).looked()
	var done []restart.Record
	await(t, "the restart", func() bool {
		done, err = restart.ReadHistory(s.path("state"))
		return err == nil && len(done) > 0
	})
	if len(done) != 1 || !done[0].Done() || done[0].By != "relink serve" || !done[0].Reasons[0].Crossed || done[0].After.WastedBytes != 0 {
		t.Errorf("%+v", done)
	}
}
