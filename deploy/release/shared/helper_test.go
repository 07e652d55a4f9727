package shared

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/release"
	"relink/internal/hint"
)

func stage(t *testing.T, s *release.Store, id string, files ...string) *release.Staging {
	t.Helper()
	st, err := s.Stage(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		writeFile(t, filepath.Join(st.Path(), name), "<?php")
	}
	return st
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// names lists what is in a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

func wantHint(t *testing.T, err error, part string) {
	t.Helper()
	if all := strings.Join(hint.Of(err), "\n"); !strings.Contains(all, part) {
		t.Errorf("hints of %q are %q, want one with %q", err, all, part)
	}
}
