package release

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/hint"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "Re leases"))
	if err != nil {
		t.Fatal(err)
	}
	return s
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

func stage(t *testing.T, s *Store, id string, files ...string) *Staging {
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

func seal(t *testing.T, s *Store, id string) Release {
	t.Helper()
	r, err := stage(t, s, id, "public/index.php").Seal(t.Context(), Manifest{Source: "test", Ref: id})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// repeat makes one in a folder of its own.
func repeat(t *testing.T, s *Store, of, id string) (Release, error) {
	t.Helper()
	st, err := s.Stage(id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Repeat(t.Context(), st, of, func(context.Context) error {
		t.Error("it was built again")
		return nil
	})
	if err != nil {
		err = errors.Join(err, st.Abort())
	}
	return r, err
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
