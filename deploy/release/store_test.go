package release

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/damagetest"

	"github.com/google/go-cmp/cmp"

	"relink/internal/links"
)

func TestNewID(t *testing.T) {
	s := newStore(t)
	never := func(string) bool { return false }
	now := time.Date(2026, 11, 23, 6, 41, 27, 0, time.FixedZone("", 3600))
	for label, want := range map[string]string{
		"v2":                       "20261123T054127Z-v2",
		"":                         "20261123T054127Z",
		"feature/Größe & Maß":      "20261123T054127Z-feature-Gr-e-Ma",
		"..":                       "20261123T054127Z",
		"-x-":                      "20261123T054127Z-x",
		strings.Repeat("long", 40): "20261123T054127Z-" + strings.Repeat("long", 15),
	} {
		if got := s.NewID(now, label, never); got != want {
			t.Errorf("the id for %q is %s, want %s", label, got, want)
		}
	}
	first := s.NewID(now, "v2", never)
	seal(t, s, first)
	second := s.NewID(now, "v2", never)
	if second != first+"-2" {
		t.Errorf("the second id is %s", second)
	}
	stage(t, s, second) // taken as soon as it is staged
	if third := s.NewID(now, "v2", never); third != first+"-3" {
		t.Errorf("the third id is %s", third)
	}
	if fourth := s.NewID(now, "v2", func(id string) bool { return id == first+"-3" }); fourth != first+"-4" {
		t.Errorf("the fourth id is %s", fourth)
	}
}

func TestListTellsForeignFoldersApart(t *testing.T) {
	s := newStore(t)
	if listed, err := s.List(); err != nil || listed != nil {
		t.Errorf("of a missing folder: %v, %v", listed, err)
	}
	if removed, err := s.CleanStaging(t.Context()); err != nil || removed != nil {
		t.Errorf("of a missing folder: %v, %v", removed, err)
	}
	sealed := seal(t, s, "20260101T000000Z-v1")
	broken := seal(t, s, "20260102T000000Z-v2")
	writeFile(t, s.recordPath(broken.ID), "{")
	writeFile(t, filepath.Join(s.Dir(), "by-hand", "a.php"), "")
	writeFile(t, filepath.Join(s.Dir(), "notes.txt"), "")
	writeFile(t, filepath.Join(s.Dir(), ".cache.git", "HEAD"), "")
	if err := os.Symlink("by-hand", filepath.Join(s.Dir(), "current")); err != nil {
		t.Fatal(err)
	}
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(s.Path("by-hand"), long, long); err != nil {
		t.Fatal(err)
	}
	listed, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range listed {
		got = append(got, r.ID+map[bool]string{true: " sealed"}[r.Sealed]+map[bool]string{true: " problem"}[r.Problem != nil])
	}
	want := []string{broken.ID + " problem", sealed.ID + " sealed", "by-hand"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"by-hand", broken.ID} {
		if err := s.Remove(t.Context(), id); !errors.Is(err, ErrForeign) {
			t.Errorf("remove %s gives %v", id, err)
		}
	}
	if err := s.Remove(t.Context(), "current"); !errors.Is(err, ErrNotFound) {
		t.Errorf("remove a link gives %v", err)
	}
	if removed, err := s.CleanStaging(t.Context()); err != nil || len(removed) != 0 {
		t.Errorf("CleanStaging removed %v, %v", removed, err)
	}
}

func TestBadMark(t *testing.T) {
	s := newStore(t)
	seal(t, s, "v1")
	writeFile(t, filepath.Join(s.Dir(), "by-hand", "a.php"), "")
	for _, id := range []string{"v1", "by-hand"} {
		good, err := s.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.MarkBad(id, "club1 answers 500"); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(id)
		if err != nil || r.Bad == nil || r.Bad.Reason != "club1 answers 500" || r.Sealed != good.Sealed {
			t.Errorf("%s: %+v, %v", id, r, err)
		}
		good.Bad = r.Bad
		if diff := cmp.Diff(good, r); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	if got := names(t, filepath.Join(s.Dir(), links.RecordDir)); got != "by-hand.json v1.json" {
		t.Errorf("manifests: %s", got)
	}
	if err := s.MarkBad("v2", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	for _, id := range []string{"", "..", ".relink", "a/b", "a\x00"} {
		if err := s.MarkBad(id, ""); !errors.Is(err, ErrInvalidID) {
			t.Errorf("%q gives %v", id, err)
		}
		if _, err := s.Stage(id); !errors.Is(err, ErrInvalidID) {
			t.Errorf("%q gives %v", id, err)
		}
	}
}

func TestRemove(t *testing.T) {
	s := newStore(t)
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "upload"), "precious")
	st := stage(t, s, "v1", "a/b/c.php", "closed/x.php")
	if err := errors.Join(os.Symlink(outside, filepath.Join(st.Path(), "uploads")), os.Chmod(filepath.Join(st.Path(), "closed"), 0o500)); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Seal(t.Context(), Manifest{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s.Dir()) + names(t, filepath.Join(s.Dir(), links.RecordDir)); got != ".relink" {
		t.Errorf("left: %s", got)
	}
	if got := names(t, outside); got != "upload" {
		t.Errorf("behind the link is left %q", got)
	}
	if err := s.Remove(t.Context(), "v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the second time gives %v", err)
	}
}

func TestRemoveIsInterrupted(t *testing.T) {
	s := newStore(t)
	seal(t, s, "v1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Remove(ctx, "v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if listed, err := s.List(); err != nil || len(listed) != 0 {
		t.Errorf("half a release is listed: %v, %v", listed, err)
	}
	if removed, err := s.CleanStaging(t.Context()); err != nil || len(removed) != 1 {
		t.Errorf("cleaned %v, %v", removed, err)
	}
}

// Two configurations with state folders of their own have no lock in common.
func TestCleaningLeavesWhatIsBeingMade(t *testing.T) {
	s := newStore(t)
	st := stage(t, s, "v1", "index.php")
	other, err := Open(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if removed, err := other.CleanStaging(t.Context()); err != nil || len(removed) > 0 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := st.Seal(t.Context(), Manifest{}); err != nil {
		t.Error(err)
	}
	stage(t, s, "v2", "index.php").held.Close() // as a crash does
	if removed, err := other.CleanStaging(t.Context()); err != nil || len(removed) != 1 {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// FuzzManifest: whatever lies where a manifest belongs, the release is listed.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"manifest": {"id": "v1", "source": "/srv/app.git", "ref": "v1", "created": "2026-01-02T03:04:05Z", "files": 1, "inodes": 2, "bytes": 5}}`))
	f.Add([]byte(`{"manifest": {"id": "v1"}, "bad": {"reason": "x", "since": "2026-01-02T03:04:05Z"}, "assets": {"folders": ["a"], "files": ["a/b"]}}`))
	f.Add([]byte(`{"manifest": {"id": "../v1"}}`))
	f.Add([]byte(`{"bad": null}`))
	for text := range damagetest.Of([]byte(`{"manifest": {"id": "v1", "ref": "v1", "created": "2026-01-02T03:04:05Z", "files": 1}, "assets": {"folders": ["a"]}}`)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newStore(t)
		writeFile(t, s.recordPath("v1"), string(text))
		writeFile(t, filepath.Join(s.Path("v1"), "index.php"), "<?php")
		releases, err := s.List()
		if err != nil || len(releases) != 1 || releases[0].ID != "v1" {
			t.Errorf("listed %v, %v", releases, err)
		}
	})
}

func TestOpenBehindALink(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(base, "data", "releases"), 0o755), os.Symlink("data", filepath.Join(base, "srv"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"releases", "new"} { // new: known to be behind a link only when it has been made
		s, err := Open(filepath.Join(base, "srv", name))
		if err != nil {
			t.Fatal(err)
		}
		if r := seal(t, s, "v1"); r.Path != filepath.Join(base, "data", name, "v1") {
			t.Errorf("the release is at %s", r.Path)
		}
	}
	writeFile(t, filepath.Join(base, "file"), "")
	if _, err := Open(filepath.Join(base, "file")); !errors.Is(err, errNotFolder) {
		t.Errorf("got %v", err)
	}
}
