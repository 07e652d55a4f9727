package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
)

// way is one way to serve the sites: a row of the tables in setups_test.go.
type way struct {
	web        sandbox.Web
	handler    sandbox.Handler
	resolved   bool   // the web server sends real paths: by a map (Apache), by $realpath_root (nginx)
	revalidate bool   // opcache.revalidate_path=1
	virtual    bool   // one virtual host for all sites, with a VirtualDocumentRoot
	reuse      bool   // the web server keeps its connections to PHP-FPM
	behind     bool   // the web server reaches the links through another link
	inside     bool   // the link is the folder core of a site whose own scripts stay
	assets     string // the application's key of that name
	build      string // the command of its build hook
	elsewhere  elsewhere
	unmapped   bool // path_map does not tell how the pools see the releases

	ini map[string]string            // of PHP
	app func(ref string) application // nil is ordinary
}

// application is the content of its files by their paths; "-> x" is a link to x.
type application map[string]string

// ordinary has pages that find their library by the file's own path and by the
// path that the web server has sent.
func ordinary(ref string) application {
	return application{
		"public/index.php":  "<?php require __DIR__ . '/../lib/part.php'; echo '" + ref + " ', part();",
		"public/second.php": "<?php require dirname($_SERVER['SCRIPT_FILENAME']) . '/../lib/part.php'; echo '" + ref + " ', part();",
		"public/slow.php":   "<?php usleep(1000000); require __DIR__ . '/../lib/part.php'; echo '" + ref + " ', part();",
		"lib/part.php":      "<?php require __DIR__ . '/name.php'; function part() { return name(); }",
		"lib/name.php":      "<?php function name() { return '" + ref + "'; }",
	}
}

// front is three sites of one application behind a web server of their own.
type front struct {
	t      *testing.T
	ctx    context.Context
	way    way
	root   string
	server *sandbox.Server

	program string // delivered or raced
	pages   []string
	load    *load.Load
	on      map[string]string // the ref that each instance is on, after "deploy v1 --all"
	slow    <-chan string
}

var clubs = []string{"club1", "club2", "club3"}

// newFront starts everything anew, so that the keys of OPcache are alive.
func newFront(t *testing.T, w way) *front {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	f := &front{t: t, ctx: ctx, way: w, root: root, program: delivered, pages: []string{"/", "/second.php"}, on: map[string]string{}}
	f.must(err)
	t.Cleanup(func() { os.RemoveAll(root) })
	f.layOut()
	f.server, err = sandbox.Start(ctx, f.options())
	f.must(err)
	t.Cleanup(f.end)
	f.write("relink.yaml", f.configuration())
	return f
}

func (f *front) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *front) path(names ...string) string {
	return filepath.Join(append([]string{f.root}, names...)...)
}

func (f *front) write(path, content string) {
	f.t.Helper()
	path = f.path(path)
	f.must(os.MkdirAll(filepath.Dir(path), 0o755))
	if target, link := strings.CutPrefix(content, "-> "); link {
		f.must(os.Symlink(target, path))
		return
	}
	f.must(os.WriteFile(path, []byte(content), 0o644))
}

func (f *front) layOut() {
	f.t.Helper()
	if f.way.app == nil {
		f.way.app = ordinary
	}
	f.must(os.Mkdir(f.path("tree"), 0o755))
	f.git("init", "--quiet")
	f.commit("v1")
	f.commit("v2")
	for _, dir := range []string{"www", "releases"} {
		f.must(os.Mkdir(f.path(dir), 0o755))
	}
	f.write("served", "-> www")
	f.write("map", "")
	if !f.way.inside {
		return
	}
	for _, club := range clubs {
		f.write("www/"+club+"/index.php", "<?php require './core/boot.php';")
	}
}

func (f *front) commit(ref string) {
	f.t.Helper()
	f.must(os.RemoveAll(f.path("tree")))
	for path, content := range f.way.app(ref) {
		f.write(filepath.Join("tree", path), content)
	}
	f.git("add", "--all")
	f.git("commit", "--quiet", "-m", ref)
	f.git("tag", ref)
}

func (f *front) git(args ...string) {
	f.t.Helper()
	where := []string{"--git-dir", f.path("repo.git"), "--work-tree", f.path("tree"), "-c", "user.name=t", "-c", "user.email=t@example.org"}
	command := exec.CommandContext(f.ctx, "git", append(where, args...)...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := command.CombinedOutput(); err != nil {
		f.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
}

func (f *front) link(club string) string {
	if f.way.inside {
		return f.path("www", club, "core")
	}
	return f.path("www", club)
}

// documentRoot is the site's as the web server names it.
func (f *front) documentRoot(club string) string {
	switch {
	case f.way.inside:
		return f.path("www", club)
	case f.way.behind:
		return f.path("served", club, "public")
	}
	return f.path("www", club, "public")
}

// end tells how it went and leaves nothing behind.
func (f *front) end() {
	if f.load != nil {
		if result := f.load.Stop(); result.Errors != 0 {
			f.t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
		}
	}
	if err := f.server.Stop(); err != nil {
		f.t.Error(err)
	}
	if !f.t.Failed() {
		return
	}
	for _, path := range []string{f.server.WebLog(), f.server.PHPLog()} {
		if data, err := os.ReadFile(path); err == nil {
			f.t.Logf("%s:\n%s", filepath.Base(path), data[:min(len(data), 4<<10)])
		}
	}
}
