package opcache_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/opcache"
	"relink/php"
)

func (f *farm) page(version, name, code string) {
	f.t.Helper()
	file := filepath.Join(f.release(version), name)
	f.must(os.WriteFile(file, []byte(code), 0o644))
	old := time.Now().Add(-time.Hour)
	f.must(os.Chtimes(file, old, old))
}

// A request of old code that ends after the cut-over leaves what it has computed: in Keyed
// one that began when all workers had been swept already, in Resolved one from before the
// rename.
func TestAPCuIsClearedOfWhatOldCodePutsThereAfterTheCutOver(t *testing.T) {
	t.Parallel()
	for _, addressing := range []opcache.Addressing{opcache.Keyed, opcache.Resolved} {
		t.Run(string(addressing), func(t *testing.T) {
			f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 3}}}}}})
			f.page("v1", "slow.php", strings.Replace(scripts["slow.php"], "require", "apcu_store('of', 'v1'); require", 1))
			f.page("v2", "look.php", `<?php echo apcu_exists('of') ? 'kept' : 'gone';`)
			f.heat("slow.php?until=/")
			links := f.links("v1", "v2")
			s, err := f.connect(opcache.Options{}).Observe(f.ctx, links, addressing)
			f.must(err)
			s.ClearAPCu(true)
			var slow *slowRequest
			if addressing == opcache.Resolved {
				slow = f.beginSlow("club1")
			}
			f.move(links)
			if addressing == opcache.Keyed {
				_, err := s.Sweep(f.ctx)
				f.must(err)
				slow = f.beginSlow("club1")
			}
			cut, err := s.Invalidate(f.ctx)
			f.must(err)
			slow.end(f)
			settled, err := s.Settle(f.ctx, nil)
			f.must(err)
			if cut.APCu == nil || cut.APCu.Entries != 1 || settled.APCu == nil || settled.APCu.Entries != 1 {
				t.Errorf("cleared %+v, then %+v", cut.APCu, settled.APCu)
			}
			if body := f.get("club1", "look.php"); body != "gone" {
				t.Errorf("it is %s", body)
			}
		})
	}
}

// A prune settles, and cuts nothing over.
func TestAPCuIsNotClearedWithoutACutOver(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{})
	s := f.observe(opcache.Options{}, nil)
	s.ClearAPCu(true)
	settled, err := s.Settle(f.ctx, nil)
	if err != nil || settled.APCu != nil {
		t.Errorf("%+v, %v", settled.APCu, err)
	}
}

// One master whose APCu cannot be cleared hides nothing of the others.
func TestAPCuThatWasClearedIsToldBesideAFailure(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: []sandbox.Master{
		{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}},
		{INI: map[string]string{"disable_functions": "apcu_clear_cache"}, Pools: []sandbox.Pool{{Name: "other", Workers: 2}}},
		{INI: map[string]string{"apc.enabled": "0"}, Pools: []sandbox.Pool{{Name: "off", Workers: 2}}},
	}}})
	s := f.observe(opcache.Options{}, f.links("v1", "v2"))
	s.ClearAPCu(true)
	result, err := s.Invalidate(f.ctx)
	if !errors.Is(err, php.ErrFunctionDisabled) || result.APCu == nil || result.APCu.Caches != 1 || len(result.APCu.Absent) != 1 {
		t.Errorf("%+v, %v", result.APCu, err)
	}
}
