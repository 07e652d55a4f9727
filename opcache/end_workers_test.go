package opcache_test

import (
	"slices"
	"testing"

	"relink/opcache"
	"relink/opcache/restart"
)

// What workers remember goes with them; a request in flight ends as it would, and
// the cache stays.
func TestWorkersEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{})
	f.heat("index.php")
	before, err := f.server.WorkerPIDs("")
	f.must(err)
	caches := f.connect(opcache.Options{})
	usage, err := caches.Usage(f.ctx)
	f.must(err)
	slow := f.beginSlow("club1")
	ended, busy, err := restart.EndWorkersOf(f.ctx, caches, usage[0].Pools)
	f.must(err)
	if ended+busy != len(before) || busy == 0 {
		t.Errorf("%d of %d ended, %d busy", ended, len(before), busy)
	}
	f.expect("club1", "index.php", "v1")
	if body := slow.end(f); body[:8] != "slow v1 " {
		t.Errorf("the request in flight got %q", body)
	}
	again, err := caches.Usage(f.ctx)
	f.must(err)
	if !again[0].Started.Equal(usage[0].Started) || again[0].Scripts < usage[0].Scripts {
		t.Errorf("the cache of %v became that of %v", usage[0], again[0])
	}
	for range before { // one of them waits to be reaped
		after, err := f.server.WorkerPIDs("")
		f.must(err)
		if !slices.ContainsFunc(after, func(pid int) bool { return slices.Contains(before, pid) }) {
			return
		}
		f.expect("club1", "index.php", "v1")
	}
	t.Error("an old worker is there still")
}
