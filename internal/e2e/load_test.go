package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/outcome"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
)

// town is 30 sites of one application under a closed-loop load of 6 clients.
type town struct {
	t      testing.TB
	ctx    context.Context
	app    app.App
	root   string
	server *sandbox.Server
	hosts  []string
	load   *load.Load

	program string        // delivered or raced
	pause   time.Duration // of each client of the load between two requests
	said    string        // by the last relink, on stderr
}

const townSites = 30

// usualPause leaves some of the machine to relink, and to other tests: a load of
// some hundred requests a second.
const usualPause = 25 * time.Millisecond

func newTown(t testing.TB, make func(ctx context.Context, dir string) (app.App, error), change ...func(*sandbox.Options)) *town {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	w := &town{t: t, ctx: ctx, root: root, program: delivered, pause: usualPause}
	w.app, err = make(ctx, root)
	w.must(err)
	w.must(os.Mkdir(w.path("www"), 0o755))
	var sites []sandbox.Site
	links := ""
	for i := range townSites {
		name := fmt.Sprintf("club%d", i)
		data := w.path("data", name)
		w.must(w.app.Prepare(data))
		w.hosts = append(w.hosts, name+".test")
		links += fmt.Sprintf("      %s: %s\n", name, w.path("www", name))
		sites = append(sites, sandbox.Site{Host: name + ".test", DocumentRoot: w.path("www", name, w.app.DocRoot), Env: w.app.Env(data, name)})
	}
	options := sandbox.Options{Root: w.path("srv"), Sites: sites}
	for _, f := range change {
		f(&options)
	}
	w.server, err = sandbox.Start(ctx, options)
	w.must(err)
	t.Cleanup(func() {
		if err := w.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	pool := w.server.Pool("")
	w.must(os.WriteFile(w.path("relink.yaml"), fmt.Appendf(nil, `state_dir: %[1]s/state
pools: [{address: "%[2]s", status_path: %[3]s, agent_dir: %[4]s}]
apps:
  club:
    source: {git: %[5]s}
    releases: %[1]s/releases
    docroot: %[6]s
    instances:
%[7]s`, root, pool.Address, pool.StatusPath, w.server.AgentDir(), w.app.Repository, w.app.DocRoot, links), 0o644))
	return w
}

func (w *town) path(names ...string) string {
	return filepath.Join(append([]string{w.root}, names...)...)
}

func (w *town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) beginLoad() { w.t.Helper(); w.beginLoadBy(w.app.Release) }

func (w *town) beginLoadBy(release func([]byte, http.Header) string) {
	w.t.Helper()
	var err error
	w.load, err = load.Run(w.ctx, load.Options{URL: w.server.URL(), Hosts: w.hosts, Paths: w.app.Paths, Clients: 6, Release: release, Pause: w.pause})
	w.must(err)
}

// relink runs the program as a user does. This test binary is the program.
func (w *town) relink(args ...string) (report outcome.Report, ended time.Time) {
	w.t.Helper()
	command := w.command(args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	ended, w.said = time.Now(), stderr.String()
	if len(out) == 0 {
		w.t.Fatalf("relink %q: %v\n%s", args, err, stderr.String())
	}
	w.must(json.Unmarshal(out, &report))
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	if report.Exit != 0 {
		w.t.Errorf("relink %q: exit %d: %s", args, report.Exit, out)
	}
	return report, ended
}

func (w *town) command(args ...string) *exec.Cmd {
	return relinkCommand(w.ctx, w.program, w.path("relink.yaml"), args...)
}

// relinkCommand is one of the programs, to answer in JSON.
func relinkCommand(ctx context.Context, program, config string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, program, append([]string{"--config", config, "--format", "json"}, args...)...)
}

// slow begins a request that lasts for some seconds: long enough for a deploy
// to meet it.
func (w *town) slow(seconds int) <-chan string {
	w.t.Helper()
	done := make(chan string, 1)
	go func() {
		body, _, err := load.Fetch(w.ctx, fmt.Sprintf("%s%s?s=%d", w.server.URL(), w.app.Slow, seconds), w.hosts[1])
		if err != nil {
			done <- err.Error()
			return
		}
		done <- "200 " + string(body)
	}()
	return done
}

func (w *town) workers() []int {
	w.t.Helper()
	pids, err := w.server.WorkerPIDs("")
	w.must(err)
	slices.Sort(pids)
	return pids
}

func synthetic(ctx context.Context, dir string) (app.App, error) { return syntheticApp(ctx, dir, 301) }

// The promise, on the real program: no failed request, no old page after the
// command has returned, no restart, with a request of five seconds in flight.
func TestDeployUnderLoad(t *testing.T) {
	t.Parallel()
	w := newTown(t, synthetic)
	w.program = raced
	deployUnderLoad(t, w)
}

func deployUnderLoad(t *testing.T, w *town) {
	w.relink("deploy", "v1", "--all", "--smart-reset")
	w.beginLoad()
	before := w.workers()

	slow := w.slow(5)
	report, ended := w.relink("deploy", "v2", "--all", "--smart-reset")
	wantLive(t, w, report, ended, "v1")
	if body := <-slow; !strings.HasPrefix(body, "200 ") || strings.Contains(body, "v2") {
		t.Errorf("the slow request was answered by %q, want a page of v1 alone", body)
	}
	if len(report.Instances) != townSites || report.Sweep.Settled != 8 || report.Restart.Action != "none" || report.SavedBytes <= 0 {
		t.Errorf("report: %d instances, sweep %+v, restart %+v, saved %d", len(report.Instances), report.Sweep, report.Restart, report.SavedBytes)
	}

	report, ended = w.relink("rollback", "--all")
	wantLive(t, w, report, ended, "v2")
	// One instance alone; the others must not be taken along, then or later.
	w.relink("deploy", "v2", "--instance", "club7")
	one := w.result(200 * time.Millisecond)
	for _, seen := range one.Seen(time.Time{}) {
		if last := seen.Last.After(one.End.Add(-150 * time.Millisecond)); last && (seen.Release == "v2") != (seen.Host == "club7.test") {
			t.Errorf("%s is on %s after a deploy of v2 to club7 alone", seen.Host, seen.Release)
		}
	}
	report, ended = w.relink("deploy", "v2", "--all", "--smart-reset")
	wantLive(t, w, report, ended, "v1")

	result := w.load.Stop()
	w.wantNoFault(result)
	if after := w.workers(); !slices.Equal(before, after) {
		t.Errorf("workers were restarted: %v, then %v", before, after)
	}
}

// result is what the load has seen, after it has run on for a while.
func (w *town) result(more time.Duration) load.Result {
	<-time.After(more)
	return w.load.Result()
}

func wantLive(t *testing.T, w *town, report outcome.Report, ended time.Time, old string) {
	t.Helper()
	result := w.result(300 * time.Millisecond)
	if n := result.OldAfter(ended, old); n != 0 {
		t.Errorf("%s of %s: %d pages of %s began after it had returned", report.Operation, report.Release, n, old)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}
