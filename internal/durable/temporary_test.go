package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"relink/internal/durable"

	"github.com/google/go-cmp/cmp"
)

func TestRemoveTemporary(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sites.map")
	for _, name := range []string{"sites.map", ".sites.map.123", ".sites.map4", ".sites.map.bak", ".sites.map.", ".sites.map", ".other.map.1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	removed, err := durable.RemoveTemporary(path)
	if diff := cmp.Diff([]string{filepath.Join(dir, ".sites.map.123"), filepath.Join(dir, ".sites.map4")}, removed); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := durable.RemoveTemporary(filepath.Join(dir, "none", "sites.map")); err != nil {
		t.Error(err)
	}
}

// What is being written lies beside what it replaces: where a crash leaves it,
// there it is found.
func TestTemporaryFilesLieBesideTheirPath(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", elsewhere)
	if err := os.Chmod(elsewhere, 0); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(filepath.Join(dir, "state"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(elsewhere)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the folder for temporary files was used: %v, %v", after.ModTime(), err)
	}
}
