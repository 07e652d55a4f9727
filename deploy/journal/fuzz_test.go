package journal

import (
	"os"
	"slices"
	"testing"

	"relink/internal/damagetest"
)

// Whatever a history holds, its whole lines are told, and the next one is kept.
func FuzzHistory(f *testing.F) {
	const line = `{"id":"1","time":"2026-01-02T03:04:05Z","operation":"deploy","release":"v1","user":"x","moves":[{"instance":"a","link":"/www/a","place":"/www/a","to":{"release":"v1","literal":"/rel/v1","real":"/rel/v1"}}]}` + "\n"
	f.Add([]byte(line + line[:40]))
	for text := range damagetest.Of([]byte(line)) {
		f.Add(append(text, line...))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		file := HistoryFile(dir, "app")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := History(file)
		if err != nil {
			t.Fatal(err)
		}
		next := Event{ID: "the next", Operation: OperationRollback}
		if err := Record(file, next); err != nil {
			t.Fatal(err)
		}
		after, err := History(file)
		if err != nil || len(after) != len(before)+1 && !slices.ContainsFunc(before, func(e Event) bool { return e.ID == next.ID }) {
			t.Errorf("%d lines, then %d, %v", len(before), len(after), err)
		}
		if _, err := KnownLinks(dir, "app"); err != nil {
			t.Error(err)
		}
		past, err := ReadPast(file)
		if err != nil {
			t.Error(err)
		}
		past.Since("a", at("v1"))
		past.Before("a", at("v1"))
		if slices.Reverse(after); !slices.EqualFunc(past.known, after[:len(past.known)], func(a, b Event) bool { return a.ID == b.ID }) {
			t.Errorf("from its end it is %v", past.known)
		}
	})
}
