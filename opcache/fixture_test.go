package opcache_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/opcache"
	"relink/php"
)

// farm is a private server whose sites are links to one of two releases.
type farm struct {
	t        *testing.T
	ctx      context.Context
	server   *sandbox.Server
	releases string
	www      string // the real folder that holds the links
	sites    []string
}

type farmOptions struct {
	sandbox.Options
	sites    int
	folder   string // name of the folder that holds all
	docroots string // folder through which Apache reaches the links, below folder; "" is the real one
	sub      string // document root inside a release
}

// latePages are pages of every release that nobody asks for before the switch.
const latePages = 30

func late(i int) string { return fmt.Sprintf("late%d.php", i) }

func init() {
	for i := range latePages {
		scripts[late(i)] = `<?php echo "late %[1]s ", getmypid();`
	}
}

// scripts are the files of a release. Index and page are entry scripts, slow
// waits for a file before it includes one more.
var scripts = map[string]string{
	"index.php": `<?php require __DIR__ . '/inc/a.php'; echo "index %[1]s ", a(), " ", getmypid();`,
	"page.php":  `<?php echo "page %[1]s ", getmypid();`,
	"slow.php":  `<?php $until = $_GET['until']; while (!file_exists($until)) { usleep(2000); clearstatcache(false, $until); } require __DIR__ . '/inc/b.php'; echo "slow %[1]s ", b(), " ", getmypid();`,
	"inc/a.php": `<?php function a() { return "a %[1]s"; }`,
	"inc/b.php": `<?php function b() { return "b %[1]s"; }`,
}

func newFarm(t *testing.T, o farmOptions) *farm {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	root, err := os.MkdirTemp("", "relink")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if root, err = filepath.EvalSymlinks(root); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(root, o.folder)
	f := &farm{t: t, ctx: ctx, releases: filepath.Join(base, "releases"), www: filepath.Join(base, "www")}
	for _, version := range []string{"v1", "v2", "v3"} {
		f.writeRelease(version, o.sub)
	}
	f.mkdir(f.www)
	reached := f.www
	if o.docroots != "" {
		reached = filepath.Join(base, o.docroots)
		f.must(os.Symlink(f.www, reached))
	}
	for i := range max(o.sites, 1) {
		name := fmt.Sprintf("club%d", i+1)
		f.sites = append(f.sites, name)
		f.point(name, "v1")
		o.Sites = append(o.Sites, sandbox.Site{Host: name + ".test", DocumentRoot: filepath.Join(reached, name, o.sub)})
	}
	f.must(os.Chmod(root, 0o755))
	if f.server, err = sandbox.Start(ctx, o.Options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *farm) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *farm) mkdir(dir string) {
	f.t.Helper()
	f.must(os.MkdirAll(dir, 0o755))
}

// writeRelease makes the files old enough for opcache.file_update_protection.
func (f *farm) writeRelease(version, sub string) {
	f.t.Helper()
	for name, code := range scripts {
		file := filepath.Join(f.releases, version, sub, name)
		f.mkdir(filepath.Dir(file))
		f.must(os.WriteFile(file, fmt.Appendf(nil, code, version), 0o644))
		old := time.Now().Add(-time.Hour)
		f.must(os.Chtimes(file, old, old))
	}
}

func (f *farm) link(site string) string       { return filepath.Join(f.www, site) }
func (f *farm) release(version string) string { return filepath.Join(f.releases, version) }

// point moves a link as a deploy does.
func (f *farm) point(site, version string) {
	f.t.Helper()
	temporary := f.link(site) + ".new"
	f.must(os.Symlink(f.release(version), temporary))
	f.must(os.Rename(temporary, f.link(site)))
}

// links are those of some sites (all, if none is named) on their way.
func (f *farm) links(from, to string, sites ...string) []opcache.Link {
	if len(sites) == 0 {
		sites = f.sites
	}
	links := make([]opcache.Link, len(sites))
	for i, site := range sites {
		links[i] = opcache.Link{Name: site, Path: f.link(site), From: f.release(from), To: f.release(to)}
	}
	return links
}

func (f *farm) move(links []opcache.Link) {
	f.t.Helper()
	for _, l := range links {
		f.point(l.Name, filepath.Base(l.To))
	}
}

func (f *farm) pools() []php.Pool {
	f.t.Helper()
	var pools []php.Pool
	for _, p := range f.server.Pools() {
		address, err := fcgi.ParseAddress(p.Address)
		f.must(err)
		pools = append(pools, php.Pool{Address: address, StatusPath: p.StatusPath, AgentDir: f.server.AgentDir()})
	}
	return pools
}

func (f *farm) connect(o opcache.Options) *opcache.Caches {
	f.t.Helper()
	caches, err := opcache.Connect(f.ctx, f.pools(), ordinary(o))
	f.must(err)
	return caches
}

// ordinary fills in what a test does not care for.
func ordinary(o opcache.Options) opcache.Options {
	o.Timeouts.Call = cmp.Or(o.Timeouts.Call, 10*time.Second)
	o.Timeouts.Sweep = cmp.Or(o.Timeouts.Sweep, 100*time.Millisecond)
	o.Timeouts.Settle = cmp.Or(o.Timeouts.Settle, 30*time.Second)
	o.Warm.Workers = cmp.Or(o.Warm.Workers, 1)
	o.Warm.Slice = cmp.Or(o.Warm.Slice, 20*time.Millisecond)
	o.Warm.Pause = cmp.Or(o.Warm.Pause, 20*time.Millisecond)
	return o
}

func (f *farm) observe(o opcache.Options, links []opcache.Link) *opcache.Switch {
	f.t.Helper()
	s, err := f.connect(o).Observe(f.ctx, links, opcache.Keyed)
	f.must(err)
	return s
}

// get asks a site through Apache.
func (f *farm) get(site, page string) string {
	f.t.Helper()
	body, err := f.fetch(site, page)
	f.must(err)
	return body
}

func (f *farm) fetch(site, page string) (string, error) {
	request, err := http.NewRequestWithContext(f.ctx, http.MethodGet, f.server.URL()+"/"+page, nil)
	if err != nil {
		return "", err
	}
	request.Host = site + ".test"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s: %s: %s", page, site, response.Status, body)
	}
	return string(body), err
}

// heat asks every site for the pages until every worker has served each.
func (f *farm) heat(pages ...string) {
	f.t.Helper()
	for range 3 {
		for _, site := range f.sites {
			for _, page := range pages {
				f.get(site, page)
			}
		}
	}
}

// expect asks a site many times, so that every worker answers, and wants the
// same release each time.
func (f *farm) expect(site, page, version string) {
	f.t.Helper()
	for range 24 {
		if body := f.get(site, page); !strings.Contains(body, " "+version+" ") {
			f.t.Errorf("%s of %s: got %q, want release %s", page, site, body, version)
			return
		}
	}
}

// slowRequest is a request in flight that ends when it is told to.
type slowRequest struct {
	file string
	body chan string
}

func (f *farm) beginSlow(site string) *slowRequest {
	f.t.Helper()
	s := &slowRequest{file: filepath.Join(f.releases, fmt.Sprintf("end-%s-%d", site, time.Now().UnixNano())), body: make(chan string, 1)}
	go func() {
		body, err := f.fetch(site, "slow.php?until="+s.file)
		if err != nil {
			body = err.Error()
		}
		s.body <- body
	}()
	f.awaitRunning("slow.php")
	return s
}

func (s *slowRequest) end(f *farm) string {
	f.t.Helper()
	f.must(os.WriteFile(s.file, nil, 0o644))
	return <-s.body
}

// awaitRunning waits until a worker is inside a request for the page.
func (f *farm) awaitRunning(page string) {
	f.t.Helper()
	f.awaitPool(func(now fcgi.PoolStatus) bool {
		return slices.ContainsFunc(now.Processes, func(p fcgi.Process) bool { return p.State == fcgi.StateRunning && strings.Contains(p.URI, page) })
	})
}

// awaitPool waits until the status page of the pool says so.
func (f *farm) awaitPool(says func(fcgi.PoolStatus) bool) {
	f.t.Helper()
	pool := f.pools()[0]
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := fcgi.Status(f.ctx, pool.Address, pool.StatusPath)
		f.must(err)
		if says(status) {
			return
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			f.t.Fatal("the pool never got there")
		}
	}
}
