package opcache_test

import (
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/opcache"
)

// Work waits for a pool in which the next visitor would find no worker, but not for ever.
func TestWorkWaitsForAWorkerThatIsFree(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{sites: 2, Options: sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 3}}}}}})
	f.heat("index.php", "page.php")
	o := ordinary(opcache.Options{Gently: true})
	o.Warm.Slice = time.Millisecond // one script in each request
	caches := f.connect(o)
	pool := caches.All[0].First()
	wantFull := func(want bool, when string) {
		t.Helper()
		for pool.Full(f.ctx) != want { // for a moment a worker that has answered is not idle yet
			if f.ctx.Err() != nil {
				t.Fatalf("%s: full is not %t", when, want)
			}
		}
	}
	wantFull(false, "nobody asks")
	one := f.beginSlow("club1")
	wantFull(false, "one of three works")
	other := f.beginSlow("club2")
	wantFull(true, "two of three work, and the third would compile")

	s, err := caches.Observe(f.ctx, f.links("v1", "v2"), opcache.Keyed)
	f.must(err)
	warm, err := s.Warm(f.ctx, nil)
	f.must(err)
	if warm.Scripts != 4 || len(warm.Failed) != 0 {
		t.Errorf("warm: %+v, want the 4 hot scripts though the pool was full all the time", warm)
	}
	one.end(f)
	other.end(f)
	wantFull(false, "they have ended")
}
