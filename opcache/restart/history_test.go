package restart

import (
	"os"
	"path/filepath"
	"testing"

	"relink/internal/damagetest"
)

func TestHistoryAfterACrash(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, HistoryFile), []byte(`{"action":"opcache","by":"a"}`+"\n"+`{"action":"re`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := AppendHistory(dir, Record{By: "b", Order: Order{Decision: Decision{Action: Reset}}}); err != nil {
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
	for text := range damagetest.Of([]byte(`{"time":"2026-01-02T03:04:05Z","action":"opcache","reasons":[{"figure":"keys"}]}` + "\n")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, HistoryFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := ReadHistory(dir)
		if err != nil {
			t.Error(err)
		}
		for _, r := range all {
			if r.Action == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

func FuzzParsePending(f *testing.F) {
	f.Add([]byte(`[{"pools":["unix:/a"],"action":"fpm","since":"2026-01-02T03:04:05Z","tries":2}]`))
	f.Add([]byte(`[{"pools":["unix:/a"],"action":"none"},{"action":"opcache"}]`))
	for text := range damagetest.Of([]byte(`[{"pools":["unix:/a"],"action":"fpm","since":"2026-01-02T03:04:05Z","tries":2}]`)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, p := range parsePending(text) {
			if len(p.Pools) == 0 || !p.Action.Empties() {
				t.Errorf("%+v", p)
			}
		}
	})
}
