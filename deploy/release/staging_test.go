package release

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relink/internal/links"
)

func TestSealedRelease(t *testing.T) {
	s := newStore(t)
	old := syscall.Umask(0o077) // under which PHP could not enter the release
	defer syscall.Umask(old)
	if err := os.Mkdir(s.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.Dir(), os.ModeSetgid|0o750); err != nil {
		t.Fatal(err)
	}
	st := stage(t, s, "v1", "public/index.php", "b.php")
	if err := os.Symlink("b.php", filepath.Join(st.Path(), "link.php")); err != nil {
		t.Fatal(err)
	}
	m := Manifest{Source: "/srv/git/x.git", Ref: "v1", Commit: "abc", SourceTime: time.Unix(1700000000, 0).UTC()}
	before := time.Now()
	r, err := st.Seal(t.Context(), m, ".", "public")
	if err != nil {
		t.Fatal(err)
	}
	m.ID, m.Created, m.Files, m.Inodes, m.Bytes = "v1", r.Created, 2, 5, 10
	if diff := cmp.Diff(Release{Manifest: m, Path: filepath.Join(s.Dir(), "v1"), Sealed: true}, r); diff != "" {
		t.Error(diff)
	}
	if r.Created.Before(before) {
		t.Errorf("created %v, before %v", r.Created, before)
	}
	listed, err := s.List()
	if diff := cmp.Diff([]Release{r}, listed); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if got := names(t, s.Dir()); got != ".relink v1" {
		t.Errorf("the releases folder holds %s", got)
	}
	info, err := os.Stat(r.Path)
	if err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o750 {
		t.Errorf("the release has mode %v, %v; want that of the releases folder", info.Mode(), err)
	}
	if err := st.Abort(); err != nil {
		t.Error(err)
	}
	if _, err := s.Get("v1"); err != nil {
		t.Errorf("Abort after Seal removed the release: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		prepare  func(st *Staging) error
		required []string
		says     string
	}{
		"nothing":               {func(st *Staging) error { return os.Mkdir(filepath.Join(st.Path(), "empty"), 0o755) }, nil, "no file"},
		"no docroot":            {func(st *Staging) error { return nil }, []string{"public"}, "public"},
		"a file for a docroot":  {func(st *Staging) error { return nil }, []string{"a.php"}, "a.php"},
		"a docroot elsewhere":   {func(st *Staging) error { return os.Symlink("/tmp", filepath.Join(st.Path(), "public")) }, []string{"public"}, "public"},
		"a docroot above":       {func(st *Staging) error { return nil }, []string{"../v0"}, "../v0"},
		"a docroot in the link": {func(st *Staging) error { return nil }, []string{".", "web/public"}, "web/public"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			files := []string{"a.php"}
			if name == "nothing" {
				files = nil
			}
			st := stage(t, s, "v1", files...)
			if err := test.prepare(st); err != nil {
				t.Fatal(err)
			}
			_, err := st.Seal(t.Context(), Manifest{}, test.required...)
			if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
			wantNothingLeft(t, s, st)
		})
	}
}

func wantNothingLeft(t *testing.T, s *Store, st *Staging) {
	t.Helper()
	if err := st.Abort(); err != nil {
		t.Error(err)
	}
	if got := names(t, s.Dir()); got != ".relink" {
		t.Errorf("the releases folder holds %s", got)
	}
	if got := names(t, filepath.Join(s.Dir(), links.RecordDir)); got != "" {
		t.Errorf("manifests: %s", got)
	}
}

func TestSealNeverReplaces(t *testing.T) {
	s := newStore(t)
	st := stage(t, s, "v1", "a.php")
	seal(t, s, "v1")
	before, err := s.Get("v1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Seal(t.Context(), Manifest{}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	// Even if the other came after the manifest was looked for.
	if err := st.publish(); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	if after, err := s.Get("v1"); err != nil || cmp.Diff(before, after) != "" {
		t.Errorf("the release changed: %v, %s", err, cmp.Diff(before, after))
	}
}

func TestSealIsCancelled(t *testing.T) {
	s := newStore(t)
	st := stage(t, s, "v1", "a.php")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := st.Seal(ctx, Manifest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantNothingLeft(t, s, st)
}

// A crash may come after each part of Seal and of Remove. What is left is never
// a release by halves, and CleanStaging takes it away.
func TestCrash(t *testing.T) {
	staged := func(t *testing.T, s *Store) { stage(t, s, "v1", "a.php").held.Close() } // the kernel drops locks with their holder
	described := func(t *testing.T, s *Store) {
		st := stage(t, s, "v1", "a.php")
		if err := errors.Join(st.writeManifest(Manifest{ID: "v1"}), st.held.Close()); err != nil {
			t.Fatal(err)
		}
	}
	trashed := func(t *testing.T, s *Store) {
		seal(t, s, "v1")
		if err := os.Rename(s.Path("v1"), filepath.Join(s.Dir(), trashPrefix+"v1-0")); err != nil {
			t.Fatal(err)
		}
	}
	writing := func(t *testing.T, s *Store) {
		if err := os.WriteFile(filepath.Join(s.Dir(), links.RecordDir, ".v0.json4711"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, crash := range map[string]func(*testing.T, *Store){"while staging": staged, "while the manifest is written": writing, "after the manifest": described, "after the move to the trash": trashed} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			kept := seal(t, s, "v0")
			crash(t, s)
			listed, err := s.List()
			if diff := cmp.Diff([]Release{kept}, listed); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
			removed, err := s.CleanStaging(t.Context())
			if err != nil || len(removed) == 0 {
				t.Errorf("removed %v, %v", removed, err)
			}
			if got := names(t, s.Dir()) + " " + names(t, filepath.Join(s.Dir(), links.RecordDir)); got != ".relink v0 v0.json" {
				t.Errorf("left: %s", got)
			}
			if removed, err := s.CleanStaging(t.Context()); err != nil || len(removed) != 0 {
				t.Errorf("the second time removed %v, %v", removed, err)
			}
		})
	}
	// After the rename the release is whole.
	s := newStore(t)
	st := stage(t, s, "v1", "a.php")
	if err := errors.Join(st.writeManifest(Manifest{ID: "v1"}), st.publish()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Get("v1"); err != nil || !r.Sealed {
		t.Errorf("got %+v, %v", r, err)
	}
}
