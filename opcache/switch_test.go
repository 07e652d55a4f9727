package opcache_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/opcache"
	"relink/php"
)

// cutOver is Sweep and Invalidate.
func cutOver(f *farm, s *opcache.Switch) (opcache.SweepResult, opcache.InvalidateResult) {
	f.t.Helper()
	swept, err := s.Sweep(f.ctx)
	f.must(err)
	invalidated, err := s.Invalidate(f.ctx)
	f.must(err)
	return swept, invalidated
}

func settle(f *farm, s *opcache.Switch) opcache.SettleResult {
	f.t.Helper()
	settled, err := s.Settle(f.ctx, nil)
	f.must(err)
	return settled
}

func misses(f *farm, c *opcache.Caches) int64 {
	f.t.Helper()
	usages, err := c.Usage(f.ctx)
	f.must(err)
	return opcache.Sum(usages).Misses
}

func TestSwitchOfAllInstances(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{sites: 6})
	f.heat("index.php", "page.php")
	before, err := f.server.WorkerPIDs("www")
	f.must(err)

	caches := f.connect(opcache.Options{})
	links := f.links("v1", "v2")
	s, err := caches.Observe(f.ctx, links, opcache.Keyed)
	f.must(err)
	warm, err := s.Warm(f.ctx, nil)
	f.must(err)
	if warm.Scripts != 3 || len(warm.Failed) != 0 {
		t.Errorf("warm: %+v, want the 3 hot scripts", warm)
	}
	f.move(links)
	swept, invalidated := cutOver(f, s)
	if swept.Workers != 8 || len(swept.Busy) != 0 || len(swept.Unproven) != 0 {
		t.Errorf("sweep: %+v, want all 8 workers", swept)
	}
	if invalidated.Invalidated != 3 || len(invalidated.Failed) != 0 {
		t.Errorf("invalidate: %+v, want all that was hot of v1", invalidated)
	}
	if got := settle(f, s); got.Workers != 8 || len(got.Stale) != 0 {
		t.Errorf("settle: %+v, want all 8 workers", got)
	}
	retired, err := s.Retire(f.ctx, []string{f.release("v1")})
	f.must(err)
	if retired.Invalidated != 0 {
		t.Errorf("retire: %+v, want nothing left", retired)
	}

	cold := misses(f, caches)
	for _, site := range f.sites {
		f.expect(site, "index.php", "v2")
		f.expect(site, "page.php", "v2")
	}
	if n := misses(f, caches) - cold; n != 0 {
		t.Errorf("the hot set missed the cache %d times after the switch", n)
	}
	after, err := f.server.WorkerPIDs("www")
	f.must(err)
	slices.Sort(before)
	slices.Sort(after)
	if !slices.Equal(before, after) {
		t.Errorf("workers were restarted: %v, then %v", before, after)
	}
}

// OPcache does not keep a file that was modified a moment ago, and says nothing:
// the warm waits for files to grow old enough.
func TestWarmOfFilesThatAreTooNew(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{})
	f.heat("index.php")
	links := f.links("v1", "v2")
	fresh := filepath.Join(f.release("v2"), "index.php")
	now := time.Now()
	f.must(os.Chtimes(fresh, now, now))
	s := f.observe(opcache.Options{}, links)
	warm, err := s.Warm(f.ctx, nil)
	f.must(err)
	if warm.Scripts != 2 || len(warm.Failed) != 0 {
		t.Errorf("warm: %+v, want index.php and inc/a.php", warm)
	}
	f.must(os.Chtimes(fresh, now.Add(time.Hour), now.Add(time.Hour)))
	_, err = f.connect(opcache.Options{}).Retire(f.ctx, []string{f.release("v2")})
	f.must(err)
	warm, err = s.Warm(f.ctx, nil)
	f.must(err)
	if len(warm.Failed) != 1 || warm.Failed[0].Path != fresh || !strings.Contains(warm.Failed[0].Reason, "future") {
		t.Errorf("warm: %+v, want index.php named as modified in the future", warm)
	}
}

// Without the cache work the old release stays: the reason for all of this. If
// a PHP version changes it, this is where it is noticed.
func TestMovedLinksAloneLeaveTheOldRelease(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{})
	for i := range latePages {
		f.get("club1", late(i)) // only a page that is new makes a worker resolve the link
	}
	f.heat("index.php")
	f.move(f.links("v1", "v2"))
	f.expect("club1", "index.php", "v1")

	t.Run("an invalidation without a sweep does not help", func(t *testing.T) {
		s := f.observe(opcache.Options{}, f.links("v1", "v2"))
		_, err := s.Invalidate(f.ctx)
		f.must(err)
		f.expect("club1", "index.php", "v1")
	})
	t.Run("a sweep and then an invalidation do", func(t *testing.T) {
		s := f.observe(opcache.Options{}, f.links("v1", "v2"))
		cutOver(f, s)
		settle(f, s)
		f.expect("club1", "index.php", "v2")
	})
}

// A worker that is busy during the sweep keeps its old realpaths, and the next
// new page that it serves makes all workers serve that page from the old
// release. Settle is what cures it.
func TestThePoisoningRace(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}}}}})
	f.heat("index.php")
	links := f.links("v1", "v2")
	s := f.observe(opcache.Options{}, links)
	slow := f.beginSlow("club1")
	f.move(links)
	swept, _ := cutOver(f, s)
	if len(swept.Busy) != 1 || !strings.Contains(swept.Busy[0].Request, "slow.php") {
		t.Fatalf("sweep: %+v, want the one worker that is in slow.php left for later", swept)
	}
	f.expect("club1", "index.php", "v2")
	stale := pidOf(slow.end(f))

	poisoned := poison(f, stale)
	if poisoned == "" {
		t.Fatalf("worker %s never was the first to serve a page: the race did not happen", stale)
	}
	f.expect("club1", poisoned, "v1")

	if got := settle(f, s); got.Regained == 0 || len(got.Stale) != 0 {
		t.Errorf("settle: %+v, want the poisoned page invalidated again", got)
	}
	f.expect("club1", poisoned, "v2")
	for i := range latePages {
		f.expect("club1", late(i), "v2")
	}
}

// The same worker, in a request that lasts longer than Settle waits: it ends with
// the request, and so poisons nothing.
func TestStaleWorkerEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}}}}})
	f.heat("index.php")
	links := f.links("v1", "v2")
	s := f.observe(opcache.Options{Timeouts: config.Timeouts{Settle: 100 * time.Millisecond}, EndStale: true}, links)
	slow := f.beginSlow("club1")
	f.move(links)
	cutOver(f, s)
	settled := settle(f, s)
	if len(settled.Stale) != 1 || !settled.Stale[0].Ends {
		t.Fatalf("settle: %+v, want one worker that ends", settled)
	}
	retired, err := s.Retire(f.ctx, []string{f.release("v1")})
	if err != nil || retired.Skipped == "" {
		t.Errorf("its request still runs on the old release: %+v %v", retired, err)
	}
	stale := pidOf(slow.end(f))
	if stale != itoa(settled.Stale[0].PID) {
		t.Fatalf("the request was answered by worker %s, not by %+v", stale, settled.Stale[0])
	}
	if page := poison(f, stale); page != "" {
		t.Errorf("worker %s went on and served %s", stale, page)
	}
	for i := range latePages {
		f.expect("club1", late(i), "v2")
	}
	again := f.observe(opcache.Options{}, links)
	if settled := settle(f, again); len(settled.Stale) != 0 || settled.Workers != 2 {
		t.Errorf("settled again: %+v", settled)
	}
}

// poison asks for pages that nobody has asked for, until the stale worker is
// the first to serve one; it names that page.
func poison(f *farm, stale string) string {
	for i := range latePages {
		if body := f.get("club1", late(i)); pidOf(body) == stale && strings.Contains(body, " v1 ") {
			return late(i)
		}
	}
	return ""
}

func pidOf(body string) string { return body[strings.LastIndex(body, " ")+1:] }

// Pools of several applications share a cache: the first one may not be allowed to read
// this application's releases, another one is.
func TestWarmThroughThePoolThatMayReadTheRelease(t *testing.T) {
	t.Parallel()
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	apart := sandbox.Pool{Name: "apart", Workers: 1, Settings: map[string]string{"php_admin_value[open_basedir]": root}}
	f := newFarm(t, farmOptions{Options: sandbox.Options{
		Root: root, Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 2}, apart}}}}})
	f.heat("index.php")
	pools := f.pools()
	slices.SortFunc(pools, func(a, b php.Pool) int { return strings.Compare(a.Address.String(), b.Address.String()) })
	caches, err := opcache.Connect(f.ctx, pools, ordinary(opcache.Options{}))
	f.must(err)
	if first := caches.Spaces()[0].Pools[0].Address(); !strings.Contains(first, "apart") {
		t.Fatalf("%s is asked first", first)
	}
	s, err := caches.Observe(f.ctx, f.links("v1", "v2"), opcache.Keyed)
	f.must(err)
	warm, err := s.Warm(f.ctx, nil)
	f.must(err)
	if warm.Scripts != 2 || len(warm.Failed) != 0 {
		t.Errorf("warm: %+v, want index.php and inc/a.php", warm)
	}
}

// A list of what a cache holds keeps a worker for as long as there are scripts.
func TestRetireListsACacheOnce(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{})
	f.heat("index.php")
	caches := f.connect(opcache.Options{})
	pool := f.pools()[0]
	requests := func(retire ...string) (n int64, invalidated int) {
		t.Helper()
		before, err := fcgi.Status(f.ctx, pool.Address, pool.StatusPath)
		f.must(err)
		result, err := caches.Retire(f.ctx, retire)
		f.must(err)
		after, err := fcgi.Status(f.ctx, pool.Address, pool.StatusPath)
		f.must(err)
		return after.AcceptedConn - before.AcceptedConn - 1, result.Invalidated
	}
	if n, invalidated := requests(); n != 0 || invalidated != 0 {
		t.Errorf("of no release: %d requests, %d scripts", n, invalidated)
	}
	if n, invalidated := requests(f.release("v2"), f.release("v3"), f.release("v4")); n != 1 || invalidated != 0 {
		t.Errorf("of releases that nobody has seen: %d requests, %d scripts", n, invalidated)
	}
	if n, invalidated := requests(f.release("v2"), f.release("v1")); n != 2 || invalidated != 2 {
		t.Errorf("of two releases: %d requests, %d scripts, want index.php and inc/a.php", n, invalidated)
	}
}
