package serve

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/health/gather"
	"relink/opcache/report"
)

// Whatever the query, a question about the past is answered or refused.
func FuzzHistoryQuestion(f *testing.F) {
	for _, query := range []string{"", "since=0", "since=2026-01-31T12:00:00Z&until=2026-01-31T13:00:00%2B02:00", "points=2000", "points=-1", "since=99999999999", "until=0", "since=&points="} {
		f.Add(query)
	}
	o := idle(f)
	s := newService(o, &access{}, memoryStore(f))
	for i := range 30 {
		if err := s.history.add(point(time.Now().Add(time.Duration(i-30)*time.Minute), 1)); err != nil {
			f.Fatal(err)
		}
	}
	handler := s.handler()
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest("GET", "http://127.0.0.1/api/v1/history", nil)
		request.URL.RawQuery = query
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != 200 && answer.Code != 400 {
			t.Errorf("%q: %d", query, answer.Code)
		}
	})
}

// Whatever a file of the history holds, the service starts, tells what it can, and goes on.
func FuzzStore(f *testing.F) {
	line, err := json.Marshal(point(noon, 1))
	if err != nil {
		f.Fatal(err)
	}
	line = append(line, '\n')
	f.Add(append(line[:len(line):len(line)], line[:20]...))
	f.Add(bytes.Repeat(line, 3))
	f.Add([]byte(`{"time":"2026-01-31T12:00:00Z","seconds":-1,"caches":[{}],"pools":null}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000001.jsonl"), text, 0o640); err != nil {
			t.Fatal(err)
		}
		s := storeAt(t, dir, 1<<20)
		later := noon.Add(time.Hour)
		if err := s.put(point(later, 1)); err != nil {
			t.Fatal(err)
		}
		points := s.between(noon, later, time.Second)
		if len(points) == 0 || !points[len(points)-1].Time.Equal(later) || len(points) > keptPoints {
			t.Errorf("%d points", len(points))
		}
	})
}

func TestParametersAreRefusedByName(t *testing.T) {
	if err := only(url.Values{"a": {"1"}}, "b"); err == nil {
		t.Error("an unknown parameter is left out in silence")
	}
}

func TestASampleWithoutScriptsIsKept(t *testing.T) {
	w := &window{folder: gather.Folder(t.TempDir()), full: true}
	for i := range 40 {
		at := noon.Add(time.Duration(i) * time.Minute)
		if _, err := w.Before(at, 15*time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := w.Add(gather.Sample{Totals: report.Sample{Time: at}.Totals(nil)}, 15*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.kept) > 17 {
		t.Errorf("%d samples are kept for a window of 15", len(w.kept))
	}
	first, err := w.Before(noon.Add(40*time.Minute), 15*time.Minute)
	if err != nil || !first.Time.Equal(noon.Add(25*time.Minute)) {
		t.Errorf("%+v %v", first, err)
	}
	again := &window{folder: w.folder}
	recorded, err := again.Before(noon.Add(40*time.Minute), 15*time.Minute)
	if err != nil || recorded == nil || !recorded.Time.Equal(noon.Add(25*time.Minute)) {
		t.Errorf("the next service begins with %+v %v", recorded, err)
	}
}
