package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
)

// town is three sites of a small application on one server, which runs from the
// first case to the last, under a light load.
type town struct {
	t      testing.TB
	ctx    context.Context
	root   string
	tracer *tracing // none yet
	server *sandbox.Server
	load   *load.Load

	from, to string // of moveByHand
}

var sites = []string{"club1", "club2", newSite}

// newSite is the one that may have no link yet.
const newSite = "club3"

const refs = 6 // v1 to v6

func newTown(t testing.TB) *town { return newTownFor(t, 55*time.Minute, nil) }

// withSlots is PHP under which paths may serve again: releases take turns in slots.
var withSlots = map[string]string{"opcache.revalidate_path": "1"}

func newTownFor(t testing.TB, length time.Duration, ini map[string]string) *town {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	w := &town{t: t, ctx: ctx, root: root}
	w.must(errors.Join(os.MkdirAll(w.path("www"), 0o755), os.MkdirAll(w.path("shared/data"), 0o755)))
	for i := range refs {
		w.source(fmt.Sprintf("v%d", i+1))
	}
	settings := map[string]string{"opcache.file_update_protection": "0"}
	maps.Copy(settings, ini)
	options := sandbox.Options{Root: w.path("srv"), Masters: []sandbox.Master{{
		INI:      settings,
		Settings: map[string]string{"process_control_timeout": "10s"},
		Pools:    []sandbox.Pool{{Name: "www", Workers: 3}},
	}}}
	for _, site := range sites {
		options.Sites = append(options.Sites, sandbox.Site{Host: site + ".test", DocumentRoot: w.path("www", site)})
	}
	w.server, err = sandbox.Start(ctx, options)
	w.must(err)
	t.Cleanup(func() {
		if err := w.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.configure()
	return w
}

func (w *town) source(ref string) {
	w.t.Helper()
	for name, text := range map[string]string{
		"index.php":     "<?php require __DIR__ . '/inc/part.php'; echo 'release %[1]s part ', part(), \"\\n\";\n",
		"inc/part.php":  "<?php function part() { return '%[1]s'; }\n",
		"css/%[1]s.css": "/* %[1]s */\n",
	} {
		file := w.path("src", ref, strings.ReplaceAll(name, "%[1]s", ref))
		old := time.Now().Add(-time.Hour)
		w.must(errors.Join(os.MkdirAll(filepath.Dir(file), 0o755),
			os.WriteFile(file, []byte(strings.ReplaceAll(text, "%[1]s", ref)), 0o644), os.Chtimes(file, old, old)))
	}
}

func (w *town) configure() {
	w.t.Helper()
	pool := w.server.Pool("")
	w.must(os.WriteFile(w.path("relink.yaml"), fmt.Appendf(nil, `state_dir: %[1]s/state
pools: [{address: "%[2]s", status_path: %[3]s, agent_dir: %[4]s}]
timeouts: {settle: 10s, call: 5s}
health:
  latency: {warning: 20s, critical: 30s}
  skip: [releases] # those that a killed deploy did not come to prune
apps:
  club:
    source: {dir: "%[1]s/src/{ref}"}
    releases: %[1]s/releases
    keep: 2
    min_free: 1
    shared: [data]
    assets: [css]
    probe: {url: "%[5]s/", host: "{instance}.test"} # else each web server of the machine is asked for its configuration
    instances: {club1: %[1]s/www/club1, club2: %[1]s/www/club2, club3: %[1]s/www/club3}
`, w.root, pool.Address, pool.StatusPath, w.server.AgentDir(), w.server.URL()), 0o644))
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

// ended is how a command has ended.
type ended struct {
	code   int // -1: by a signal
	out    []byte
	stderr string
	events []event
}

func (w *town) relink(args ...string) ended { return w.run(order{}, args...) }

// run runs relink under an order; the zero order is no tracer at all.
func (w *town) run(o order, args ...string) ended {
	w.t.Helper()
	args = append([]string{"relink", "--config", w.path("relink.yaml"), "--format", "json"}, args...)
	if o != (order{}) {
		return w.trace(o, args)
	}
	command := exec.CommandContext(w.ctx, args[0], args[1:]...)
	var out, stderr bytes.Buffer
	command.Stdout, command.Stderr = &out, &stderr
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return ended{code: command.ProcessState.ExitCode(), out: out.Bytes(), stderr: stderr.String()}
}

// good wants a command to succeed.
func (w *town) good(args ...string) ended {
	w.t.Helper()
	done := w.relink(args...)
	if done.code != 0 {
		w.t.Fatalf("relink %q: exit %d\n%s\n%s", args, done.code, done.stderr, done.out)
	}
	return done
}

// record runs a command to its end and gives the calls that it made.
func (w *town) record(args ...string) []event {
	w.t.Helper()
	done := w.run(order{Log: true}, args...)
	if done.code != 0 || len(done.events) == 0 {
		w.t.Fatalf("relink %q: exit %d, %d calls\n%s\n%s", args, done.code, len(done.events), done.stderr, done.out)
	}
	return done.events
}

var releaseSaid = regexp.MustCompile(`^release (v\d) part (v\d)\n$`)

// said is the release of a page; one that is put together from two is no page.
func said(body []byte, _ http.Header) string {
	if found := releaseSaid.FindSubmatch(body); found != nil && string(found[1]) == string(found[2]) {
		return string(found[1])
	}
	return ""
}

func (w *town) beginLoad() {
	w.t.Helper()
	var hosts []string
	for _, site := range sites {
		if site != newSite {
			hosts = append(hosts, site+".test")
		}
	}
	var err error
	w.load, err = load.Run(w.ctx, load.Options{URL: w.server.URL(), Hosts: hosts, Paths: []string{"/index.php"}, Clients: 2, Pause: 40 * time.Millisecond, Release: said})
	w.must(err)
}

// endLoad wants no request to have failed, and no page to have been of two releases.
func (w *town) endLoad() load.Result {
	w.t.Helper()
	result := w.load.Stop()
	if result.Errors != 0 || result.Requests == 0 {
		w.t.Errorf("%d of %d requests failed: %v", result.Errors, result.Requests, result.Described)
		for _, log := range []string{w.server.WebLog(), w.server.PHPLog()} {
			text, err := os.ReadFile(log)
			w.t.Logf("%s: %v\n%s", filepath.Base(log), err, text[max(len(text)-16<<10, 0):])
		}
	}
	return result
}

// on is the release that a site's link leads to: v1.
func (w *town) on(site string) string {
	target, err := os.Readlink(w.path("www", site))
	found := releaseFolder.FindStringSubmatch(filepath.Base(target))
	if err != nil || found == nil {
		return ""
	}
	return found[1]
}

// next is another release than the one that a site is on.
func (w *town) next(site string) string {
	var n int
	_, _ = fmt.Sscanf(w.on(site), "v%d", &n)
	return fmt.Sprintf("v%d", n%refs+1)
}

// spare has more releases than are kept.
func (w *town) spare() {
	w.t.Helper()
	w.settings("keep: 9")
	w.good("deploy", w.next("club1"), "--all")
	w.good("deploy", w.next("club1"), "--all")
	w.settings("keep: 2")
}

func (w *town) settings(keep string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path("relink.yaml"))
	w.must(err)
	w.must(os.WriteFile(w.path("relink.yaml"), regexp.MustCompile(`keep: \d`).ReplaceAll(text, []byte(keep)), 0o644))
}

// moveByHand leads all sites to another release that is there, as another tool does.
func (w *town) moveByHand() {
	w.t.Helper()
	now := w.on("club1")
	w.from, _ = os.Readlink(w.path("www/club1"))
	for _, name := range names(w.path("releases")) {
		if found := releaseFolder.FindStringSubmatch(name); found != nil && found[1] != now {
			w.to = w.path("releases", name)
			for _, site := range sites {
				w.must(errors.Join(os.Symlink(w.path("releases", name), w.path("new")), os.Rename(w.path("new"), w.path("www", site))))
			}
			return
		}
	}
	w.t.Fatal("there is no other release")
}
