package opcache_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/opcache"
	"relink/php/sandbox"
)

// Every way in which a web server may spell the path of a script.
func TestSpellingsOfTheDocumentRoot(t *testing.T) {
	tests := map[string]farmOptions{
		"as configured":               {},
		"fcgi://localhost/":           {Options: sandbox.Options{Handler: sandbox.HandlerSetSlash}},
		"spaces and UTF-8":            {folder: "Vereine & Söhne"},
		"behind another symlink":      {docroots: "srv sites"},
		"behind one, with the slash":  {docroots: "srv", Options: sandbox.Options{Handler: sandbox.HandlerSetSlash}},
		"a folder inside the release": {sub: "public"},
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			o.sites = 3
			f := newFarm(t, o)
			f.heat("index.php", "page.php")
			links := f.links("v1", "v2", "club1", "club2")
			s := f.observe(opcache.Options{Docroot: o.sub}, links)
			_, err := s.Warm(f.ctx, nil)
			f.must(err)
			f.move(links)
			cutOver(f, s)
			settle(f, s)
			for range 2 { // club3 brings the old scripts back, and must not take the others with it
				f.expect("club1", "index.php", "v2")
				f.expect("club2", "page.php", "v2")
				f.expect("club3", "index.php", "v1")
				f.expect("club3", "page.php", "v1")
			}
		})
	}
}

// Without a status page nothing tells how the web server reaches the links, if
// not as they are configured.
func TestUnknownSpelling(t *testing.T) {
	o := farmOptions{sites: 3, docroots: "srv", Options: withoutStatusPage()}
	t.Run("all instances", func(t *testing.T) {
		f := newFarm(t, o)
		f.heat("index.php", "page.php")
		links := f.links("v1", "v2")
		s := f.observe(opcache.Options{}, links)
		f.move(links)
		cutOver(f, s)
		if got := settle(f, s); len(got.Unknown) != 0 {
			t.Errorf("settle: %+v; nobody is left on v1, so nothing can bring it back", got)
		}
		for _, site := range f.sites {
			f.expect(site, "index.php", "v2")
			f.expect(site, "page.php", "v2")
		}
	})
	t.Run("some", func(t *testing.T) {
		f := newFarm(t, o)
		f.heat("index.php", "page.php")
		links := f.links("v1", "v2", "club1", "club2")
		s := f.observe(opcache.Options{}, links)
		f.move(links)
		cutOver(f, s)
		if got := settle(f, s); !slices.Equal(got.Unknown, []string{"club1", "club2"}) {
			t.Errorf("settle: %+v, want the two links said to be unknown", got)
		}
	})
	t.Run("some, with the folder configured", func(t *testing.T) {
		f := newFarm(t, o)
		f.heat("index.php", "page.php")
		links := f.links("v1", "v2", "club1", "club2")
		s := f.observe(opcache.Options{ReachedAs: []string{filepath.Join(filepath.Dir(f.www), "srv")}}, links)
		f.move(links)
		cutOver(f, s)
		if got := settle(f, s); len(got.Unknown) != 0 {
			t.Errorf("settle: %+v", got)
		}
		for range 2 {
			f.expect("club1", "index.php", "v2")
			f.expect("club3", "index.php", "v1")
		}
	})
}

func withoutStatusPage() sandbox.Options {
	return sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 4, NoStatusPage: true}}}}}
}

// The document root of a site can be a symlink into an instance's folder.
func TestDocumentRootThatIsASymlinkIntoTheInstance(t *testing.T) {
	f := newFarm(t, farmOptions{sub: "public"})
	vhosts := filepath.Join(filepath.Dir(f.www), "vhosts")
	f.mkdir(vhosts)
	f.symlink(filepath.Join(f.www, "club1", "public"), filepath.Join(vhosts, "first"))
	f.must(f.server.AddSites(f.ctx, sandbox.Site{Host: "first.test", DocumentRoot: filepath.Join(vhosts, "first")}))
	for range 24 {
		f.get("first", "index.php")
	}
	links := f.links("v1", "v2")
	s := f.observe(opcache.Options{Docroot: "public"}, links)
	f.move(links)
	cutOver(f, s)
	settle(f, s)
	f.expect("first", "index.php", "v2")
	if learned := s.Learned(); !contains(learned, vhosts) {
		t.Errorf("learned %q, want %s among them", learned, vhosts)
	}
}

func contains(all []string, want string) bool {
	for _, s := range all {
		if s == want {
			return true
		}
	}
	return false
}

func TestPartialSwitchCostsTheOthersOnlyTheAliasedScripts(t *testing.T) {
	f := newFarm(t, farmOptions{sites: 3})
	f.heat("index.php")
	f.get("club1", "page.php")
	links := f.links("v1", "v2", "club1")
	caches := f.connect(opcache.Options{})
	s, err := caches.Observe(f.ctx, links)
	f.must(err)
	f.move(links)
	cold := misses(f, caches)
	_, invalidated := cutOver(f, s)
	if invalidated.Invalidated != 0 || invalidated.Rekeyed != 2 {
		t.Errorf("invalidate: %+v, want the keys of index.php and page.php led to the new release", invalidated)
	}
	if got := settle(f, s); len(got.Astray) != 0 || len(got.Unknown) != 0 {
		t.Errorf("settle: %+v", got)
	}
	for range 2 {
		f.expect("club1", "index.php", "v2")
		f.expect("club1", "page.php", "v2")
		f.expect("club2", "index.php", "v1")
		f.expect("club3", "page.php", "v1")
	}
	// What the new release needs is its own matter; of the old one index.php and
	// page.php have to be compiled again, and nothing else.
	if n := misses(f, caches) - cold; n > 2+3 {
		t.Errorf("the cache was missed %d times", n)
	}
	held, err := caches.Footprints(f.ctx, []string{f.release("v1")})
	f.must(err)
	if got := held[f.release("v1")]; got.Scripts != 3 {
		t.Errorf("%+v live of v1, want index.php, page.php and inc/a.php", got)
	}
}

func TestNewLinksNeedNoCacheWork(t *testing.T) {
	f := newFarm(t, farmOptions{})
	links := []opcache.Link{{Name: "fresh", Path: f.link("fresh"), To: f.release("v1")}}
	s := f.observe(opcache.Options{}, links)
	f.point("fresh", "v1")
	swept, invalidated := cutOver(f, s)
	if swept.Workers != 8 || invalidated.Invalidated != 0 {
		t.Errorf("sweep %+v, invalidate %+v", swept, invalidated)
	}
}

func TestAWorkerThatNeverEndsIsNamed(t *testing.T) {
	f := newFarm(t, farmOptions{})
	f.heat("index.php")
	slow := f.beginSlow("club1")
	defer slow.end(f)
	links := f.links("v1", "v2")
	s := f.observe(opcache.Options{SettleTimeout: 300 * time.Millisecond}, links)
	f.move(links)
	cutOver(f, s)
	got := settle(f, s)
	if len(got.Stale) != 1 || got.Stale[0].PID == 0 || !strings.HasPrefix(got.Stale[0].Request, "GET /slow.php") {
		t.Errorf("settle: %+v, want the worker in slow.php with its pid and request", got)
	}
	retired, err := s.Retire(f.ctx, []string{f.release("v1")})
	f.must(err)
	if retired.Invalidated != 0 || retired.Skipped == "" {
		t.Errorf("retire: %+v, want nothing while a request may still run on it", retired)
	}
	f.expect("club1", "index.php", "v2")
}

func TestPinnedWorkersAreFoundBeforeAnythingMoves(t *testing.T) {
	one := []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 4}}}}
	t.Run("a busy pool without persistent connections has none", func(t *testing.T) {
		f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: one}})
		f.heat("index.php")
		slow := f.beginSlow("club1")
		defer slow.end(f)
		pinned, err := f.connect(opcache.Options{}).Pinned(f.ctx)
		f.must(err)
		if len(pinned) != 0 {
			t.Errorf("%+v are called pinned", pinned)
		}
	})
	t.Run("enablereuse=on", func(t *testing.T) {
		f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: one, EnableReuse: true}})
		f.get("club1", "index.php")
		pinned, err := f.connect(opcache.Options{}).Pinned(f.ctx)
		f.must(err)
		if len(pinned) != 1 || pinned[0].PID == 0 {
			t.Errorf("pinned: %+v, want the worker that holds Apache's connection", pinned)
		}
	})
}

// A pinned worker may still run the release that all links have left, and would
// compile it again, script by script.
func TestPinnedWorkersKeepTheirRelease(t *testing.T) {
	f := newFarm(t, farmOptions{Options: sandbox.Options{
		Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 4}}}}, EnableReuse: true,
	}})
	f.get("club1", "index.php")
	caches := f.connect(opcache.Options{})
	pinned, err := caches.Pinned(f.ctx)
	f.must(err)
	links := f.links("v1", "v2")
	s, err := caches.Observe(f.ctx, links)
	f.must(err)
	s.Except(pinned)
	f.move(links)
	cutOver(f, s)
	settle(f, s)
	retired, err := s.Retire(f.ctx, []string{f.release("v1")})
	f.must(err)
	if len(pinned) == 0 || retired.Invalidated != 0 || !strings.Contains(retired.Skipped, "pin") {
		t.Errorf("%d pinned, retired %+v; want it left alone, and told why", len(pinned), retired)
	}
}

func TestTwoMastersWithSeveralPools(t *testing.T) {
	f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: []sandbox.Master{
		{Name: "one", Pools: []sandbox.Pool{{Name: "a", Workers: 2}, {Name: "b", Workers: 3, TCP: true}}},
		{Name: "two", Pools: []sandbox.Pool{{Name: "c", Workers: 2}}},
	}}})
	f.must(f.server.AddSites(f.ctx,
		sandbox.Site{Host: "b.test", DocumentRoot: f.link("club1"), Pool: "b"},
		sandbox.Site{Host: "c.test", DocumentRoot: f.link("club1"), Pool: "c"}))
	for _, site := range []string{"club1", "b", "c"} {
		f.expect(site, "index.php", "v1")
	}
	links := f.links("v1", "v2")
	caches := f.connect(opcache.Options{})
	usages, err := caches.Usage(f.ctx)
	f.must(err)
	if len(usages) != 2 || len(usages[0].Pools) != 2 {
		t.Errorf("%d caches: %+v; want 2, the first shared by two pools", len(usages), usages)
	}
	s, err := caches.Observe(f.ctx, links)
	f.must(err)
	f.move(links)
	swept, invalidated := cutOver(f, s)
	if swept.Pools != 3 || swept.Workers != 7 || invalidated.Invalidated != 2 {
		t.Errorf("sweep %+v, invalidate %+v; want 7 workers of 3 pools, index.php of 2 caches", swept, invalidated)
	}
	settle(f, s)
	for _, site := range []string{"club1", "b", "c"} {
		f.expect(site, "index.php", "v2")
	}
}
