package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.journal.json")
	if text, err := Read(path); text != nil || err != nil {
		t.Errorf("no document: %q, %v", text, err)
	}
	must(t, Remove(path))
	must(t, Write(path, map[string]int{"a": 1}))
	text, err := Read(path)
	if string(text) != "{\n  \"a\": 1\n}\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("%v, %v", info, err)
	}
	must(t, Remove(path))
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// An empty file is a document that was damaged, not one that is missing.
func TestEmptyDocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.json")
	must(t, os.WriteFile(path, nil, 0o600))
	if text, err := Read(path); text == nil || err != nil {
		t.Errorf("%v, %v", text, err)
	}
}
