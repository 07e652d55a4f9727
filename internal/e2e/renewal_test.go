package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/outcome"
	"relink/internal/exit"
	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
	"relink/opcache/restart"
	"relink/php/fpm"
)

// village is two sites whose FPM master remembers something of their release.
type village struct {
	*town
	preload string // of the master, below root; "": none
	timeout string // process_control_timeout
	include string // of the pool, below root; "": none
}

// newVillage is on v1 before its server starts: a master does not start without
// the file that it preloads.
func newVillage(t *testing.T, v village, files map[string]string) *village {
	t.Helper()
	return newVillageWith(t, v, files, "")
}

// newVillageWith has a preload script of no release besides.
func newVillageWith(t *testing.T, v village, files map[string]string, preload string) *village {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	v.town = &town{t: t, ctx: ctx, root: root, program: raced, hosts: []string{"club1.test", "club2.test"}}
	v.app.Slow = "/slow.php"
	v.must(os.Mkdir(v.path("www"), 0o755))
	if preload != "" {
		v.must(os.WriteFile(v.path(v.preload), []byte(strings.ReplaceAll(preload, "%[2]s", root)), 0o644))
	}
	for _, version := range []string{"v1", "v2"} {
		v.source(version, files)
	}
	v.must(os.WriteFile(v.path("relink.yaml"), fmt.Appendf(nil, `state_dir: %[1]s/state
pools: [{address: "unix:%[1]s/srv/run/www.sock", status_path: %[2]s, agent_dir: %[1]s/srv/agent}]
apps:
  club:
    source: {dir: "%[1]s/src/{ref}"}
    releases: %[1]s/releases
    instances: {club1: %[1]s/www/club1, club2: %[1]s/www/club2}
`, root, sandbox.StatusPath), 0o644))
	v.relink("deploy", "v1", "--all", "--reset", "never")
	v.start()
	return &v
}

// source writes a release. Its files have %[1]s for its name, %[2]s for the folder
// of everything.
func (v *village) source(version string, files map[string]string) {
	v.t.Helper()
	all := map[string]string{
		"slow.php": `<?php for ($end = microtime(true) + (int) $_GET['s']; microtime(true) < $end; ) { usleep(10000); } echo '%[1]s';`,
	}
	for name, code := range files {
		all[name] = code
	}
	for name, code := range all {
		name, only, _ := strings.Cut(name, "@")
		if only != "" && only != version {
			continue
		}
		file := v.path("src", version, name)
		v.must(os.MkdirAll(filepath.Dir(file), 0o755))
		v.must(os.WriteFile(file, []byte(strings.NewReplacer("%[1]s", version, "%[2]s", v.root).Replace(code)), 0o644))
		old := time.Now().Add(-time.Hour)
		v.must(os.Chtimes(file, old, old))
	}
}

func (v *village) start() {
	v.t.Helper()
	master := sandbox.Master{INI: map[string]string{"opcache.file_update_protection": "0"}, Settings: map[string]string{}}
	if v.preload != "" {
		master.INI["opcache.preload"], master.INI["opcache.preload_user"] = v.path(v.preload), "www-data"
	}
	if v.timeout != "" {
		master.Settings["process_control_timeout"] = v.timeout
	}
	if v.include != "" {
		master.Pools = []sandbox.Pool{{Name: "www", Settings: map[string]string{"include": v.path(v.include)}}}
	}
	options := sandbox.Options{Root: v.path("srv"), Masters: []sandbox.Master{master}}
	for _, host := range v.hosts {
		options.Sites = append(options.Sites, sandbox.Site{Host: host, DocumentRoot: v.path("www", strings.TrimSuffix(host, ".test"))})
	}
	var err error
	v.server, err = sandbox.Start(v.ctx, options)
	v.must(err)
	v.t.Cleanup(func() {
		if err := v.server.Stop(); err != nil {
			v.t.Error(err)
		}
	})
}

var releaseSaid = regexp.MustCompile(`^release (v\d)\b`)

// visit puts a load on all sites, whose pages say their release, and waits until
// every worker has served.
func (v *village) visit() {
	v.t.Helper()
	said := func(body []byte, _ http.Header) string {
		if found := releaseSaid.FindSubmatch(body); found != nil {
			return string(found[1])
		}
		return ""
	}
	var err error
	v.load, err = load.Run(v.ctx, load.Options{URL: v.server.URL(), Hosts: v.hosts, Paths: []string{"/index.php", "/page.php"}, Clients: 4, Release: said, Pause: usualPause})
	v.must(err)
	v.on("v1", v.hosts...)
}

// refused wants the command to fail, to say why, and to have changed nothing.
func (v *village) refused(args []string, texts ...string) {
	v.t.Helper()
	before := v.workers()
	out, _ := v.command(args...).Output()
	var report outcome.Report
	v.must(json.Unmarshal(out, &report))
	if report.Exit != exit.Failed || report.Error == nil {
		v.t.Fatalf("relink %q: %s", args, out)
	}
	said := report.Error.Message + "\n" + strings.Join(report.Error.Hints, "\n")
	for _, text := range append(texts, "nothing was changed") {
		if !strings.Contains(said, text) {
			v.t.Errorf("%s\ndoes not say %q", said, text)
		}
	}
	if now := report.Error.Serving; len(now) != 1 || len(now[0].Instances) != 2 {
		v.t.Errorf("it says that %+v serve", now)
	}
	if after := v.workers(); !slices.Equal(before, after) {
		v.t.Errorf("workers %v became %v", before, after)
	}
	v.on("v1", "club1.test", "club2.test")
}

// on wants pages of that release, of every worker.
func (v *village) on(version string, hosts ...string) {
	v.t.Helper()
	for _, host := range hosts {
		for range 24 {
			for _, page := range []string{"/index.php", "/page.php"} {
				if body, err := fetch(v.server.URL()+page, host); err != nil || !strings.HasPrefix(body, "release "+version) {
					v.t.Fatalf("%s%s answers %q, %v; want %s", host, page, body, err, version)
				}
			}
		}
	}
}

// followed ends the load and wants that nothing failed and nothing old was served
// after the command.
func (v *village) followed(report outcome.Report, ended time.Time, old string) {
	v.t.Helper()
	result := v.result(300 * time.Millisecond)
	if n := result.OldAfter(ended, old); n != 0 {
		v.t.Errorf("%d pages of %s after the end", n, old)
	}
	v.wantNoFault(v.load.Stop())
	if len(report.Warnings) != 0 {
		v.t.Errorf("warnings: %q", report.Warnings)
	}
}

// Each release declares the function that the other one has preloaded.
var withFunction = map[string]string{
	"preload.php": `<?php require __DIR__ . '/lib.php';`,
	"lib.php":     `<?php function lib() { return '%[1]s'; }`,
	"index.php":   `<?php require_once __DIR__ . '/lib.php'; echo 'release ', lib() === '%[1]s' ? '%[1]s' : 'mixed';`,
	"page.php":    `<?php require_once __DIR__ . '/lib.php'; echo 'release ', lib();`,
}

var withClass = map[string]string{
	"preload.php": `<?php require __DIR__ . '/lib.php';`,
	"lib.php":     `<?php class Lib { const RELEASE = '%[1]s'; }`,
	"index.php":   `<?php class_exists('Lib', false) || require __DIR__ . '/lib.php'; echo 'release ', Lib::RELEASE;`,
	"page.php":    `<?php class_exists('Lib', false) || require __DIR__ . '/lib.php'; echo 'release ', Lib::RELEASE;`,
}

var withWAF = map[string]string{
	".user.ini@v1": "auto_prepend_file=%[2]s/www/club1/waf.php\n",
	"waf.php@v1":   "<?php",
	"index.php":    "<?php echo 'release %[1]s';",
	"page.php":     "<?php echo 'release %[1]s';",
}

// The reload comes with the switch: no page fails, with a request of some seconds
// in flight neither.
func TestPreloadFollowsTheSwitch(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{"function": withFunction, "class": withClass} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVillage(t, village{preload: "www/club1/preload.php", timeout: "10s"}, files)
			v.visit()
			slow := v.slow(3)
			report, _ := v.relink("deploy", "v2", "--all")
			if body := <-slow; body != "200 v1" {
				t.Errorf("the slow request was answered by %q", body)
			}
			if report.Restart.Action != "fpm" || !strings.Contains(strings.Join(report.Restart.Reasons, " "), "opcache.preload") || !strings.Contains(strings.Join(report.Restart.Reasons, " "), "club1's link") {
				t.Errorf("restart %+v", report.Restart)
			}
			v.on("v2", v.hosts...)
			dry, _ := v.relink("rollback", "--all", "--dry-run")
			if said := strings.Join(dry.Would, "\n"); !strings.Contains(said, "reload PHP-FPM") || !strings.Contains(said, "leads through club1's link") || strings.Contains(said, "restart no process") {
				t.Errorf("the dry run says %s", said)
			}
			back, ended := v.relink("rollback", "--all")
			v.on("v1", v.hosts...)
			if back.Restart.Action != "fpm" {
				t.Errorf("restart %+v", back.Restart)
			}
			v.followed(back, ended, "v2")
		})
	}
}

// What PHP preloads is of one release.
func TestPreloadOfOneRelease(t *testing.T) {
	t.Parallel()
	v := newVillage(t, village{preload: "www/club1/preload.php", timeout: "10s"}, withFunction)
	v.on("v1", v.hosts...)
	v.refused([]string{"deploy", "v2", "--instance", "club2"}, "PHP can preload one release only", "club2 would be on another", "deploy to all instances")
	v.refused([]string{"deploy", "v2", "--instance", "club1"}, "PHP can preload one release only", "club2 would be on another")
}

// A master does not survive a reload whose preload script fails.
func TestPreloadThatTheNewReleaseLacks(t *testing.T) {
	t.Parallel()
	v := newVillage(t, village{preload: "www/club1/preload.php", timeout: "10s"}, withFunction)
	v.on("v1", v.hosts...)
	v.must(os.Remove(v.path("src", "v2", "lib.php")))
	v.refused([]string{"deploy", "v2", "--all"}, fpm.ErrPreload.Error(), "lib.php", "--reset never")
	v.must(os.Remove(v.path("src", "v2", "preload.php")))
	v.refused([]string{"deploy", "v2", "--all"}, fpm.ErrPreload.Error(), "does not have")
}

// A reload that kills requests is not done.
func TestPreloadWithoutProcessControlTimeout(t *testing.T) {
	t.Parallel()
	v := newVillage(t, village{preload: "www/club1/preload.php"}, withFunction)
	v.on("v1", v.hosts...)
	v.refused([]string{"deploy", "v2", "--all"}, "process_control_timeout", "club1's link", "--reset never")
}

// A preload script of no release that loads files of one.
func TestPreloadFromElsewhere(t *testing.T) {
	t.Parallel()
	v := village{preload: "preload.php", timeout: "10s"}
	files := map[string]string{"preload.php": "<?php"}
	for name, code := range withFunction {
		files[name] = code
	}
	w := newVillageWith(t, v, files, `<?php require '%[2]s/www/club1/lib.php';`)
	w.visit()
	report, ended := w.relink("deploy", "v2", "--all")
	if len(report.Warnings) != 1 || !strings.Contains(report.Warnings[0], "cannot be tried") {
		t.Errorf("warnings %q", report.Warnings)
	}
	report.Warnings = nil
	w.on("v2", w.hosts...)
	w.followed(report, ended, "v1")
}

// Workers remember .user.ini, here one that names a file which is gone: they end,
// the master and its OPcache stay.
func TestUserINIFollowsTheSwitch(t *testing.T) {
	t.Parallel()
	v := newVillage(t, village{}, withWAF)
	v.visit()
	before := v.workers()
	slow := v.slow(2)
	report, ended := v.relink("deploy", "v2", "--all")
	if body := <-slow; body != "200 v1" {
		t.Errorf("the slow request was answered by %q", body)
	}
	if report.Restart.Action != "workers" || !strings.Contains(strings.Join(report.Restart.Reasons, " "), ".user.ini") {
		t.Errorf("restart %+v", report.Restart)
	}
	v.on("v2", v.hosts...)
	for _, pid := range v.workers() {
		if slices.Contains(before, pid) {
			t.Errorf("worker %d is an old one", pid)
		}
	}
	back, _ := v.relink("rollback", "--all")
	v.on("v1", v.hosts...)
	if back.Restart.Action != "workers" {
		t.Errorf("restart %+v", back.Restart)
	}
	v.followed(report, ended, "nothing")
}

// What FPM's configuration includes from a release is read at a reload only.
func TestSettingsFollowTheSwitch(t *testing.T) {
	t.Parallel()
	v := newVillage(t, village{include: "www/club1/conf/*.conf", timeout: "10s"}, map[string]string{
		"conf/pool.conf": "env[SETTINGS] = %[1]s\n",
		"index.php":      "<?php echo 'release ', getenv('SETTINGS') === '%[1]s' ? '%[1]s' : 'mixed';",
		"page.php":       "<?php echo 'release %[1]s';",
	})
	v.visit()
	report, ended := v.relink("deploy", "v2", "--all")
	if report.Restart.Action != "fpm" || !strings.Contains(strings.Join(report.Restart.Reasons, " "), "settings of the release") {
		t.Errorf("restart %+v", report.Restart)
	}
	v.on("v2", v.hosts...)
	v.followed(report, ended, "v1")

	v.source("v3", map[string]string{"conf/pool.conf": "no_such_directive = 1\n", "index.php": "<?php echo 'release v3';", "page.php": "<?php echo 'release v3';"})
	out, _ := v.command("deploy", "v3", "--all").Output()
	v.must(json.Unmarshal(out, &report))
	if report.Exit != exit.Failed || report.Error == nil || !strings.Contains(report.Error.Message, "no_such_directive") || !strings.Contains(report.Error.Message, "nothing was changed") {
		t.Errorf("a configuration that ends FPM: %s", out)
	}
	v.on("v2", v.hosts...)
}

// What dies around the reload is put right: links and preloaded code are of one
// release afterwards, whichever.
func TestPreloadSurvivesACrash(t *testing.T) {
	t.Parallel()
	for point, version := range map[string]string{"moved club1": "v1", "moved club2": "v1", "noted moved": "v2", "sweep": "v2"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			v := newVillage(t, village{preload: "www/club1/preload.php", timeout: "10s"}, withFunction)
			v.on("v1", v.hosts...)
			v.kill(point, "deploy", "v2", "--all")
			v.relink("recover")
			v.on(version, v.hosts...)
			if pending, err := restart.ReadPending(v.path("state")); err != nil || len(pending) != 0 {
				t.Errorf("%+v %v", pending, err)
			}
			v.relink("deploy", "v2", "--all", "--rebuild")
			v.on("v2", v.hosts...)
		})
	}
}

func TestUserINISurvivesACrash(t *testing.T) {
	t.Parallel()
	for point, version := range map[string]string{"moved club1": "v1", "noted moved": "v2"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			v := newVillage(t, village{}, withWAF)
			v.on("v1", v.hosts...)
			v.kill(point, "deploy", "v2", "--all")
			v.relink("recover")
			v.on(version, v.hosts...)
		})
	}
}

// A release whose check fails takes what it has preloaded back with it.
func TestPreloadIsUndone(t *testing.T) {
	t.Parallel()
	v := newVillage(t, village{preload: "www/club1/preload.php", timeout: "10s"}, withFunction)
	configuration, err := os.ReadFile(v.path("relink.yaml"))
	v.must(err)
	checked := strings.Replace(string(configuration), "club2: "+v.path("www", "club2"),
		fmt.Sprintf("club2: {link: %s, check: {url: %q, host: club2.test, contains: nothing of that}}", v.path("www", "club2"), v.server.URL()+"/index.php"), 1)
	v.must(os.WriteFile(v.path("relink.yaml"), []byte(checked), 0o644))
	v.visit()
	out, _ := v.command("deploy", "v2", "--all").Output()
	var report outcome.Report
	v.must(json.Unmarshal(out, &report))
	if report.Exit != exit.RolledBack {
		t.Errorf("%s", out)
	}
	v.on("v1", v.hosts...)
	v.wantNoFault(v.load.Stop())
}
