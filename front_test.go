package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy"
	"relink/php/sandbox"
	"relink/php/sandbox/load"
)

// way is one way to serve the sites: a row of the tables in setups_test.go.
type way struct {
	web        sandbox.Web
	handler    sandbox.Handler
	resolved   bool // the web server sends real paths: by a map (Apache), by $realpath_root (nginx)
	revalidate bool // opcache.revalidate_path=1
	virtual    bool // one virtual host for all sites, with a VirtualDocumentRoot
	reuse      bool // the web server keeps its connections to PHP-FPM
	behind     bool // the web server reaches the links through another link
	inside     bool // the link is the folder core of a site whose own scripts stay
	slow       bool // a long request is under way while all sites are moved

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
		"public/slow.php":   "<?php usleep(1500000); require __DIR__ . '/../lib/part.php'; echo '" + ref + " ', part();",
		"lib/part.php":      "<?php require __DIR__ . '/name.php'; function part() { return name(); }",
		"lib/name.php":      "<?php function name() { return '" + ref + "'; }",
	}
}

// release is the ref that all parts of a page name; a page of two releases is
// one of "v1 v2".
func release(body []byte, _ http.Header) string {
	parts := strings.Fields(string(body))
	for _, part := range parts {
		if part != parts[0] {
			return string(body)
		}
	}
	return strings.Join(parts[:min(1, len(parts))], "")
}

// front is three sites of one application behind a web server of their own.
type front struct {
	t      *testing.T
	ctx    context.Context
	way    way
	root   string
	server *sandbox.Server
	pages  []string
	load   *load.Load
	on     map[string]string // the ref that each instance is on, after "deploy v1 --all"
	slow   <-chan string
}

var clubs = []string{"club1", "club2", "club3"}

// newFront starts everything anew, so that the keys of OPcache are alive.
func newFront(t *testing.T, w way) *front {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	f := &front{t: t, ctx: ctx, way: w, root: root, pages: []string{"/", "/second.php"}, on: map[string]string{}}
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
	for _, ref := range []string{"v1", "v2"} {
		for path, content := range f.way.app(ref) {
			f.write(filepath.Join("versions", ref, path), content)
		}
	}
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

// relink runs the program, wants it to succeed, and wants each instance on what
// it is on then, or on its own ref of moved. A request that began after the
// program had returned is answered by that release.
func (f *front) relink(moved map[string]string, args ...string) {
	f.t.Helper()
	report, ended := f.run(args...)
	if report.Exit != 0 {
		f.t.Fatalf("relink %q: exit %d: %+v, warnings %q", args, report.Exit, *report.Error, report.Warnings)
	}
	maps.Copy(f.on, moved)
	f.wantPages(fmt.Sprintf("after relink %q", args))
	f.wantLoad(ended, args)
}

func (f *front) run(args ...string) (deploy.Report, time.Time) {
	f.t.Helper()
	command := relinkCommand(f.ctx, f.path("relink.yaml"), args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	ended := time.Now()
	var report deploy.Report
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || json.Unmarshal(out, &report) != nil {
		f.t.Fatalf("relink %q: %v\n%s%s", args, err, out, stderr.String())
	}
	return report, ended
}

// rounds is how often each page is asked: several times for each worker.
const rounds = 24

// wantPages asks each site until every worker has been asked often.
func (f *front) wantPages(when string) {
	f.t.Helper()
	for _, club := range clubs {
		for _, page := range f.pages {
			wrong, last := 0, ""
			for range rounds {
				status, body := f.get(club, page)
				if got := release([]byte(body), nil); status != http.StatusOK || got != f.on[club] {
					wrong, last = wrong+1, fmt.Sprint(status, " ", body)
				}
			}
			if wrong > 0 {
				f.t.Errorf("%s: %d of %d answers of %s%s are not of %s, such as %.200q", when, wrong, rounds, club, page, f.on[club], last)
			}
		}
	}
}

// wantLoad judges what the load has met since the program returned.
func (f *front) wantLoad(ended time.Time, args []string) {
	f.t.Helper()
	if f.load == nil {
		return
	}
	for _, seen := range f.load.Result().Since(ended).Seen() {
		club := strings.TrimSuffix(seen.Host, ".test")
		if seen.Release != f.on[club] {
			f.t.Errorf("relink %q: %d pages of %s that began after it were of %s, want %s", args, seen.Answers, club, seen.Release, f.on[club])
		}
	}
}

// get asks on a connection of its own: a kept one would meet the same child of
// mod_php each time.
func (f *front) get(club, page string) (int, string) {
	f.t.Helper()
	status, body, err := f.try(club, page)
	f.must(err)
	return status, body
}

func (f *front) try(club, page string) (int, string, error) {
	request, err := http.NewRequestWithContext(f.ctx, http.MethodGet, f.server.URL()+page, nil)
	if err != nil {
		return 0, "", err
	}
	request.Host, request.Close = club+".test", true
	client := http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, string(body), err
}

// beginLoad puts a light load on all sites.
func (f *front) beginLoad() {
	f.t.Helper()
	var hosts []string
	for _, club := range clubs {
		hosts = append(hosts, club+".test")
	}
	var err error
	f.load, err = load.Run(f.ctx, load.Options{URL: f.server.URL(), Hosts: hosts, Paths: f.pages, Clients: 3,
		Release: release, Pause: 4 * time.Millisecond, Timeout: patience})
	f.must(err)
}

// beginSlow begins a request that a deploy meets; awaitSlow wants it to be
// answered by the release that it began on.
func (f *front) beginSlow() {
	done := make(chan string, 1)
	go func() {
		status, body, err := f.try("club3", "/slow.php")
		done <- fmt.Sprint(status, " ", body, err)
	}()
	f.slow = done
}

func (f *front) awaitSlow(ref string) {
	f.t.Helper()
	if got, want := <-f.slow, fmt.Sprintf("200 %[1]s %[1]s<nil>", ref); got != want {
		f.t.Errorf("the long request was answered by %q, want %q", got, want)
	}
}
