package serve

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"relink/health"
	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func memoryStore(t testing.TB) *store { return storeAt(t, filepath.Join(t.TempDir(), "h"), 1<<20) }

func storeAt(t testing.TB, path string, most int64) *store {
	t.Helper()
	s, err := openStore(path, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func number(n int64) *int64 { return &n }

func point(at time.Time, hits int64) Point {
	return Point{Time: at, Seconds: 60, Caches: []CachePoint{{Name: "c", Hits: number(hits), Misses: number(1), UsedBytes: hits}},
		Pools: []PoolPoint{{Address: "p", Up: true, Requests: number(hits), Queue: number(hits), Active: hits}}}
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// The file stays below its bound, the newest points stay, and the oldest go.
func TestTheHistoryIsBounded(t *testing.T) {
	const most = 1 << 17
	s := storeAt(t, filepath.Join(t.TempDir(), "h"), most)
	largest, n := int64(0), 1250 // twice as many as fit
	for i := range n {
		p := point(noon.Add(time.Duration(i)*time.Minute), int64(i))
		if err := s.put(p); err != nil {
			t.Fatal(err)
		}
		largest = max(largest, s.size())
	}
	if largest > most {
		t.Errorf("%d bytes", largest)
	}
	all := s.between(noon, noon.Add(time.Duration(n)*time.Minute), time.Minute)
	newest := noon.Add(time.Duration(n-1) * time.Minute)
	if len(all) < 200 || !all[len(all)-1].Time.Equal(newest) {
		t.Errorf("%d points, the newest of %s", len(all), all[len(all)-1].Time)
	}
	if all[0].Time.Equal(noon) {
		t.Error("the oldest is still there")
	}
	if files, _, err := s.files(); len(files) > storeFiles || err != nil {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestTheHistoryOutlivesTheService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	s := storeAt(t, path, 1<<20)
	h := newHistory(s)
	now := time.Now().UTC().Truncate(time.Minute)
	for i := range 4 { // three minutes, and one that has not ended
		for k := range 2 {
			if err := h.add(point(now.Add(time.Duration(i-5)*time.Minute+time.Duration(k)*time.Second), 10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(h.flush(), s.close()); err != nil {
		t.Fatal(err)
	}
	again := newHistory(storeAt(t, path, 1<<20)).between(now.Add(-time.Hour), now, time.Minute)
	if len(again) != 4 || *again[0].Caches[0].Hits != 20 || again[0].Seconds != 120 {
		t.Errorf("%+v", again)
	}
}

// Cut to any length, and with any byte changed, a history costs the lines that are
// hurt, and no start of the service.
func TestADamagedHistoryCostsItsLines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "h")
	s := storeAt(t, dir, 1<<20)
	const n = 3
	for i := range n {
		if err := s.put(point(noon.Add(time.Duration(i)*time.Minute), 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, fmt.Sprintf(fileName, 1))
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	hurt := func(what string, at int, text []byte, least int) {
		if err := os.WriteFile(file, text, 0o640); err != nil {
			t.Fatal(err)
		}
		s := storeAt(t, dir, 1<<20)
		later := noon.Add(time.Hour)
		if err := s.put(point(later, 1)); err != nil {
			t.Fatalf("%s at %d: %v", what, at, err)
		}
		points := s.between(noon, later, time.Second)
		if len(points) < least+1 || !points[len(points)-1].Time.Equal(later) {
			t.Errorf("%s at %d: %d points", what, at, len(points))
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	for at := range good {
		hurt("cut", at, good[:at], bytes.Count(good[:at], []byte("}\n")))
	}
	for at := range good {
		text := slices.Clone(good)
		text[at] ^= 0xff
		hurt("changed", at, text, n-2) // a newline that is gone joins two
	}
	hurt("overwritten", 0, make([]byte, len(good)), 0)
	hurt("none", 0, []byte("hello"), 0)
}

func TestOnlyOneServiceKeepsAHistory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "h")
	storeAt(t, dir, 1<<20)
	if _, err := openStore(dir, 1<<20); !errors.Is(err, ErrHistory) || len(hint.Of(err)) == 0 {
		t.Error(err)
	}
}

func TestPointsAreJoined(t *testing.T) {
	later := point(noon.Add(time.Second), 7)
	later.State, later.Caches[0].Misses, later.Pools[0].Up = health.Warning, nil, false
	got := point(noon, 5).join(later)
	want := Point{Time: later.Time, Seconds: 120, State: health.Warning,
		Caches: []CachePoint{{Name: "c", Hits: number(12), Misses: number(1), UsedBytes: 7}},
		Pools:  []PoolPoint{{Address: "p", Requests: number(12), Queue: number(7), Active: 7}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if gone := point(noon, 5).join(Point{Time: later.Time}); len(gone.Pools) != 0 {
		t.Errorf("a pool that is gone stays: %+v", gone)
	}
}

func TestAnAnswerHasNoMorePointsThanAsked(t *testing.T) {
	var points []Point
	for i := range 720 {
		points = append(points, point(noon.Add(time.Duration(i)*5*time.Second), 1))
	}
	for _, n := range []int{1, 10, 100, 2000} {
		step, err := stretch(noon, noon.Add(time.Hour), n)
		if err != nil {
			t.Fatal(err)
		}
		thinned := thin(points, step)
		hits := int64(0)
		for _, p := range thinned {
			hits += *p.Caches[0].Hits
		}
		if len(thinned) > n+1 || hits != 720 {
			t.Errorf("%d points for %d, with %d hits", len(thinned), n, hits)
		}
	}
}
