//go:build soak

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relink/health"
	"relink/health/render"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
	"relink/internal/sandbox/load"
)

// defaultSoak is how long TestSoak runs unless RELINK_SOAK says otherwise.
const defaultSoak = 30 * time.Minute

const (
	soakDeploys = time.Minute     // from one deploy to the next
	soakLooks   = 2 * time.Second // from one look at the service to the next
	soakChecks  = 10 * time.Second
)

// TestSoak deploys a real application every minute under load, while the service
// and relink health look: nothing of it may raise an alarm, fail a request, or
// show an old page. The cache is small, so that restarts are among it.
func TestSoak(t *testing.T) {
	length := defaultSoak
	if text := os.Getenv("RELINK_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	w := newTown(t, func(ctx context.Context, _ string) (app.App, error) { return app.Fetch(ctx, "") }, func(o *sandbox.Options) {
		o.Masters = []sandbox.Master{{
			Settings: map[string]string{"process_control_timeout": "10s"},
			INI:      map[string]string{"opcache.memory_consumption": "64", "opcache.file_update_protection": "0"},
		}}
	})
	ctx, cancel := context.WithTimeout(context.Background(), length+5*time.Minute)
	defer cancel()
	w.ctx = ctx
	w.relink("deploy", "v1", "--all")
	w.relink("deploy", "v2", "--all") // no check asks for a release to go back to now
	var err error
	w.load, err = load.Run(ctx, load.Options{URL: w.server.URL(), Hosts: w.hosts, Paths: w.app.Paths, Clients: 4, Pause: 50 * time.Millisecond, Release: w.app.Release})
	w.must(err)

	watch := w.watch()
	deploys := 0
	for end := time.Now().Add(length); time.Now().Before(end); deploys++ {
		next := time.After(soakDeploys)
		for _, step := range soakRounds[deploys%len(soakRounds)] {
			report, ended := w.relink(step.command...)
			t.Logf("%s: %s, restart %s", ended.Format(time.TimeOnly), strings.Join(step.command, " "), report.Restart.Action)
			if step.ends != "" {
				wantLive(t, w, report, ended, step.ends)
			}
		}
		select {
		case <-next:
		case <-ctx.Done():
		}
	}
	looks := watch()
	result := w.load.Stop()
	w.wantNoFault(result)
	if looks == 0 {
		t.Error("nobody looked")
	}
	t.Logf("%d rounds of deploys, %d requests, %d looks", deploys, result.Requests, looks)
}

// soakStep is a command and the release that no page may show after it.
type soakStep struct {
	ends    string
	command []string
}

// soakRounds are deploys to all, back, to one first and then to all. The round
// after the last begins on v2 as the first does.
var soakRounds = [][]soakStep{
	{{"v2", []string{"deploy", "v1", "--all", "--smart-reset", "--rebuild"}}},
	{{"v1", []string{"rollback", "--all"}}},
	{{"", []string{"deploy", "v1", "--instance", "club7"}}, {"v2", []string{"deploy", "v1", "--all", "--smart-reset"}}},
	{{"v1", []string{"deploy", "v2", "--all", "--smart-reset", "--rebuild"}}},
}

// watch runs the service and looks at it and at relink health until its result
// is called, which gives how often they looked.
func (w *town) watch() (stop func() int) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	address := listener.Addr().String()
	w.must(listener.Close())
	service := w.plain("--log-level", "warn", "serve", "--listen", address)
	service.Stdout, service.Stderr = w.t.Output(), w.t.Output()
	w.must(service.Start())
	ctx, cancel := context.WithCancel(w.ctx)
	w.awaitService("http://" + address + "/readyz")

	var all sync.WaitGroup
	counts := make([]int, 2)
	all.Go(func() {
		counts[0] = every(ctx, soakLooks, func() { w.calm("service", w.read("http://"+address+"/api/v1/checks")) })
	})
	all.Go(func() {
		counts[1] = every(ctx, soakChecks, func() {
			out, err := w.plain("--format", "json", "health").Output()
			if err != nil {
				w.t.Errorf("%s relink health: %v", time.Now().Format(time.TimeOnly), err)
			}
			w.calm("health", out)
		})
	})
	return func() int {
		w.t.Helper()
		cancel()
		all.Wait()
		w.t.Logf("the service used %s of processor time and %d KB of memory", w.used(service.Process.Pid), w.resident(service.Process.Pid))
		w.must(service.Process.Signal(syscall.SIGTERM))
		w.must(service.Wait())
		return min(counts[0], counts[1])
	}
}

func every(ctx context.Context, pause time.Duration, look func()) (n int) {
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return n
		case <-ticks.C:
			look()
			n++
		}
	}
}

func (w *town) plain(args ...string) *exec.Cmd {
	return exec.Command(delivered, append([]string{"--config", w.path("relink.yaml")}, args...)...)
}

func (w *town) awaitService(url string) {
	w.t.Helper()
	for range 100 {
		if response, err := http.Get(url); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	w.t.Fatalf("%s is not ready", url)
}

func (w *town) read(url string) []byte {
	response, err := http.Get(url)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Errorf("%s: %s, %v: %s", url, response.Status, err, body)
	}
	return body
}

// calm wants no check to raise an alarm.
func (w *town) calm(who string, out []byte) {
	var document render.Document
	if err := json.Unmarshal(out, &document); err != nil {
		w.t.Errorf("%s: %v: %s", who, err, out)
		return
	}
	if len(document.Results) == 0 {
		w.t.Errorf("%s has no results", who)
	}
	for _, r := range document.Results {
		if r.State != health.OK {
			w.t.Errorf("%s %s: %s %s %s: %s %v", time.Now().Format(time.TimeOnly), who, r.State, r.Check, r.Subject, r.Message, r.Details)
		}
	}
}

// used is the processor time of a process, resident its memory in KB.
func (w *town) used(pid int) time.Duration {
	fields := strings.Fields(w.file(fmt.Sprintf("/proc/%d/stat", pid)))
	var user, system int64
	fmt.Sscan(fields[13], &user)
	fmt.Sscan(fields[14], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (w *town) resident(pid int) (kb int64) {
	lines := strings.Split(w.file(fmt.Sprintf("/proc/%d/status", pid)), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "VmRSS:") })
	fmt.Sscan(strings.TrimPrefix(lines[i], "VmRSS:"), &kb)
	return kb
}

func (w *town) file(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(name)
	w.must(err)
	return string(data)
}
