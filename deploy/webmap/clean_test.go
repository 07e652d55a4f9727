package webmap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sites.map")
	for _, name := range []string{"sites.map", ".sites.map.123", ".sites.map.bak", ".sites.map.", ".other.map.1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := Clean(path)
	if diff := cmp.Diff([]string{filepath.Join(dir, ".sites.map.123")}, removed); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := Clean(filepath.Join(dir, "none", "sites.map")); err != nil {
		t.Error(err)
	}
}
