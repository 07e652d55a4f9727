package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// bundled has pages that name an asset which only its own release brings.
func bundled(ref string) application {
	app := ordinary(ref)
	app["public/page.php"] = "<?php echo '<link href=\"/assets/app-" + ref + ".css\">';"
	app["public/assets/app-"+ref+".css"] = "/* " + ref + " */"
	app["public/assets/shared.css"] = "/* " + ref + " */"
	app["public/assets/deep/"+ref+"/chunk.js"] = "// " + ref
	app["public/assets/old-"+ref+".php"] = "<?php echo 'never carried';"
	return app
}

var asset = regexp.MustCompile(`href="(/assets/[^"]+)"`)

// readers load pages and then, as a browser does, what each page names.
type readers struct {
	f             *front
	stop          chan struct{}
	once          sync.Once
	all           sync.WaitGroup
	pages, broken atomic.Int64
	mu            sync.Mutex
	seen          map[string]int // by what happened
}

func (f *front) beginReaders() *readers {
	r := &readers{f: f, stop: make(chan struct{}), seen: map[string]int{}}
	for i := range 2 * len(clubs) {
		r.all.Go(func() { r.read(clubs[i%len(clubs)]) })
	}
	return r
}

func (r *readers) read(club string) {
	tick := time.NewTicker(20 * time.Millisecond) // some hundred requests a second of all together
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
		}
		name, err := r.f.namedAsset(club)
		if err != nil {
			r.note(err.Error())
			continue
		}
		r.pages.Add(1)
		if status, _, err := r.f.try(club, name); err != nil || status != http.StatusOK {
			r.note(fmt.Sprint(name, " ", status, " ", err))
		}
	}
}

func (r *readers) note(what string) {
	r.broken.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[what]++
}

func (r *readers) end() {
	r.once.Do(func() { close(r.stop) })
	r.all.Wait()
}

// namedAsset loads the page and gives the asset that it names.
func (f *front) namedAsset(club string) (string, error) {
	status, body, err := f.try(club, "/page.php")
	if err != nil {
		return "", err
	}
	found := asset.FindStringSubmatch(body)
	if status != http.StatusOK || found == nil {
		return "", fmt.Errorf("page: %d %.60q", status, body)
	}
	return found[1], nil
}

// held is a page of each site that is open in a browser since before the switch.
func (f *front) held() map[string]string {
	f.t.Helper()
	names := map[string]string{}
	for _, club := range clubs {
		var err error
		names[club], err = f.namedAsset(club)
		f.must(err)
	}
	return names
}

func (f *front) wantHeld(names map[string]string, when string) {
	f.t.Helper()
	for club, name := range names {
		if status, body := f.get(club, name); status != http.StatusOK {
			f.t.Errorf("%s: %s of a page from before answers %d %.60q", when, name, status, body)
		}
	}
}

// No page names an asset that is gone, whichever release made the page and
// whichever serves by then.
func TestAssets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"resolved, Apache", "resolved, nginx", "revalidated, Apache", "keyed, nginx", "keyed, mod_php"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setups[name]
			w.app, w.assets = bundled, "public/assets"
			f := newFront(t, w)
			f.relink(all("v1"), "deploy", "v1", "--all")
			r := f.beginReaders()
			t.Cleanup(r.end)
			for _, step := range []struct {
				moved map[string]string
				args  []string
			}{
				{map[string]string{"club1": "v2"}, []string{"deploy", "v2", "--instance", "club1"}},
				{all("v2"), []string{"deploy", "v2", "--all"}},
				{all("v1"), []string{"rollback", "--all"}},
				{map[string]string{"club2": "v2"}, []string{"deploy", "v2", "--instance", "club2"}},
			} {
				before := f.held()
				f.relink(step.moved, step.args...)
				f.wantHeld(before, strings.Join(step.args, " "))
			}
			r.end()
			t.Logf("%d pages, %d of them broken", r.pages.Load(), r.broken.Load())
			for _, what := range slices.Sorted(maps.Keys(r.seen)) {
				t.Errorf("%d times: %s", r.seen[what], what)
			}
		})
	}
}
