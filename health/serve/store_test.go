package serve

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/health"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

func memoryStore(t testing.TB) *store { return storeAt(t, filepath.Join(t.TempDir(), "h"), 1<<20) }

func storeAt(t testing.TB, path string, most int64) *store {
	t.Helper()
	s, err := openStore(path, most, zerolog.Nop())
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
	s := storeAt(t, filepath.Join(t.TempDir(), "h"), 1<<20)
	s.db.NoSync = true // the disk's pace is not what is tested
	largest, n := int64(0), 12000
	for i := range n {
		p := point(noon.Add(time.Duration(i)*time.Minute), int64(i))
		if err := s.put(p); err != nil {
			t.Fatal(err)
		}
		s.db.NoSync = true
		largest = max(largest, s.size())
	}
	if largest > 1<<20 {
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
	if _, err := os.Stat(s.path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Error("the copy is left")
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

func TestADamagedHistoryIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	s := storeAt(t, path, 1<<20)
	for i := range 200 {
		if err := s.put(point(noon.Add(time.Duration(i)*time.Minute), 1)); err != nil {
			t.Fatal(err)
		}
	}
	s.close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"no history": []byte("hello"), "cut short": good[:len(good)/2],
		"overwritten": append(append([]byte{}, good[:4096*2]...), make([]byte, len(good)-4096*2)...),
	} {
		if err := os.WriteFile(path, text, 0o640); err != nil {
			t.Fatal(err)
		}
		s := storeAt(t, path, 1<<20)
		if err := s.put(point(noon, 1)); err != nil || len(s.between(noon, noon, time.Minute)) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		s.close()
		if _, err := os.Stat(path + ".damaged"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
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
