package opcache

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestHistoryIsBounded(t *testing.T) {
	dir := t.TempDir()
	line := []byte(`{"time":"2026-01-02T03:04:05Z","by":"a","pools":["unix:/a"],"action":"opcache"}` + "\n")
	path := filepath.Join(dir, HistoryFile)
	if err := os.WriteFile(path, bytes.Repeat(line, historyMost), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := AppendHistory(dir, Record{By: "b", Action: ReloadFPM}); err != nil {
		t.Fatal(err)
	}
	all, err := ReadHistory(dir)
	if err != nil || len(all) > historyKept+1 || len(all) < historyKept || all[len(all)-1].By != "b" || all[0].By != "a" {
		t.Errorf("%d lines, %v", len(all), err)
	}
}

func TestHistoryAfterACrash(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, HistoryFile), []byte(`{"action":"opcache","by":"a"}`+"\n"+`{"action":"re`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := AppendHistory(dir, Record{By: "b", Action: Reset}); err != nil {
		t.Fatal(err)
	}
	all, err := ReadHistory(dir)
	if err != nil || len(all) != 2 || all[0].By != "a" || all[1].By != "b" {
		t.Errorf("%+v %v", all, err)
	}
}

func TestNothingYet(t *testing.T) {
	history, err := ReadHistory(t.TempDir())
	pending, pendingErr := ReadPending(t.TempDir())
	if len(history)+len(pending) != 0 || err != nil || pendingErr != nil {
		t.Error(history, pending, err, pendingErr)
	}
}

func FuzzParseHistory(f *testing.F) {
	f.Add([]byte(`{"time":"2026-01-02T03:04:05Z","action":"opcache","reasons":[{"figure":"keys"}]}` + "\n{\"action\":\"re"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, r := range parseHistory(text) {
			if r.Action == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

func FuzzParsePending(f *testing.F) {
	f.Add([]byte(`[{"pools":["unix:/a"],"action":"fpm","since":"2026-01-02T03:04:05Z","tries":2}]`))
	f.Add([]byte(`[{"pools":["unix:/a"],"action":"none"},{"action":"opcache"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, p := range parsePending(text) {
			if len(p.Pools) == 0 || !p.Action.Empties() {
				t.Errorf("%+v", p)
			}
		}
	})
}
