package gather

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"relink/internal/damagetest"
	"relink/opcache/report"
)

func sampleAt(at time.Time) Sample { return Sample{Totals: report.Sample{Time: at}.Totals(nil)} }

func TestSamples(t *testing.T) {
	f := Folder(filepath.Join(t.TempDir(), "health"))
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before := func() time.Time {
		t.Helper()
		s, err := f.Before(now, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if s == nil {
			return time.Time{}
		}
		return s.Time
	}
	add := func(ago time.Duration) {
		t.Helper()
		if err := f.Add(sampleAt(now.Add(-ago)), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if !before().IsZero() {
		t.Error("there is a sample in no folder")
	}
	add(10 * time.Minute)
	if want := now.Add(-10 * time.Minute); !before().Equal(want) {
		t.Errorf("the oldest is not taken: %s", before())
	}
	os.RemoveAll(string(f))
	for _, ago := range []time.Duration{3 * time.Hour, 2 * time.Hour, time.Hour, 30 * time.Minute, 28 * time.Minute} {
		add(ago)
	}
	if want := now.Add(-time.Hour); !before().Equal(want) {
		t.Errorf("not the newest that is an hour old: %s", before())
	}
	if names, _ := os.ReadDir(string(f)); len(names) != 4 {
		t.Errorf("a sample 2 minutes after another is kept: %s", names)
	}
	// A sample that a newer version wrote, or a broken disk cut, is passed over.
	if err := os.WriteFile(filepath.Join(string(f), now.Add(-time.Hour).Format("20060102T150405.000000000Z.json")), []byte(`{"version": 2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if want := now.Add(-2 * time.Hour); !before().Equal(want) {
		t.Errorf("the older neighbour is not taken: %s", before())
	}
}

func TestSamplesAreBounded(t *testing.T) {
	f := Folder(t.TempDir())
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i := range 2 * keptSamples {
		if err := f.Add(sampleAt(start.Add(time.Duration(i)*time.Hour)), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := os.ReadDir(string(f)); len(names) != keptSamples {
		t.Errorf("%d samples", len(names))
	}
}

func TestSampleOfTheFutureDoesNotStopSampling(t *testing.T) {
	f := Folder(t.TempDir())
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, at := range []time.Time{now.Add(48 * time.Hour), now} {
		if err := f.Add(sampleAt(at), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := f.Before(now.Add(2*time.Hour), time.Hour); err != nil || s == nil || !s.Time.Equal(now) {
		t.Errorf("%+v %v", s, err)
	}
}

func TestConcurrentRunsKeepSamples(t *testing.T) {
	f := Folder(t.TempDir())
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for n := range 20 {
				at := time.Now().Add(time.Duration(20*n+i) * time.Hour)
				if err := f.Add(sampleAt(at), time.Hour); err != nil {
					t.Error(err)
				}
				if _, err := f.Before(at, time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	names, err := os.ReadDir(string(f))
	if err != nil || len(names) < keptSamples {
		t.Errorf("%d samples: %v", len(names), err)
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(string(f), name.Name()))
		var whole Sample
		if err != nil || json.Unmarshal(text, &whole) != nil || whole.Check() != nil {
			t.Errorf("%s is not whole: %v %q", name.Name(), err, text)
		}
	}
}

func FuzzSample(f *testing.F) {
	f.Add([]byte(`{"version":1,"time":"2026-11-23T12:00:00Z","masters":[{"name":"a","hits":7}],"pools":{"a":{"max_children":1}}}`))
	f.Add([]byte(`{"version":2}`))
	for text := range damagetest.Of([]byte(`{"version":1,"time":"2026-11-23T12:00:00Z","masters":[{"name":"a","hits":7}]}`)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		f := Folder(t.TempDir())
		now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
		if err := os.WriteFile(filepath.Join(string(f), now.Add(-time.Hour).Format("20060102T150405.000000000Z.json")), data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := f.Before(now, time.Hour)
		if err != nil || s != nil && (s.Check() != nil || !s.Time.Before(now)) {
			t.Error(s, err)
		}
	})
}
