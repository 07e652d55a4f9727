package release

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"relink/internal/tree"
)

var assetFolders = []string{"public/assets", "public/build"}

// brings seals a release with these assets.
func brings(t *testing.T, s *Store, id string, files ...string) Release {
	t.Helper()
	r, err := stage(t, s, id, append(files, "public/index.php")...).Seal(t.Context(), Manifest{Source: "test", Ref: id})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func carryInto(t *testing.T, s *Store, into ...string) int {
	t.Helper()
	links, err := s.CarryAssets(t.Context(), assetFolders, into)
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// wantAssets compares the files below the asset folders of a release.
func wantAssets(t *testing.T, s *Store, id string, want ...string) {
	t.Helper()
	var got []string
	for _, folder := range assetFolders {
		_ = filepath.WalkDir(filepath.Join(s.Path(id), folder), func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				relative, _ := filepath.Rel(s.Path(id), path)
				got = append(got, relative)
			}
			return nil
		})
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("release %s has %q, want %q", id, got, want)
	}
}

func TestAssetsAreCarriedBothWays(t *testing.T) {
	s := newStore(t)
	a := brings(t, s, "20260101T000001Z-a", "public/assets/app-1.css", "public/assets/same.css", "public/build/deep/er/chunk-1.js")
	b := brings(t, s, "20260101T000002Z-b", "public/assets/app-2.css", "public/assets/same.css")
	writeFile(t, filepath.Join(b.Path, "public/assets/same.css"), "b's own")
	if links := carryInto(t, s, a.ID, b.ID); links != 3 {
		t.Errorf("%d links, want 3", links)
	}
	both := []string{"public/assets/app-1.css", "public/assets/app-2.css", "public/assets/same.css", "public/build/deep/er/chunk-1.js"}
	wantAssets(t, s, a.ID, both...)
	wantAssets(t, s, b.ID, both...)
	if data, _ := os.ReadFile(filepath.Join(a.Path, "public/assets/same.css")); string(data) != "<?php" {
		t.Errorf("a file of the release was replaced: %q", data)
	}
	one, _ := os.Stat(filepath.Join(a.Path, "public/assets/app-1.css"))
	two, err := os.Stat(filepath.Join(b.Path, "public/assets/app-1.css"))
	if err != nil || !os.SameFile(one, two) {
		t.Errorf("no hard link: %v", err)
	}
	if links := carryInto(t, s, a.ID, b.ID); links != 0 {
		t.Errorf("%d links at the second time, want none", links)
	}
}

// What is run, what configures the web server, and links: none of these is an asset.
func TestOnlyAssetsAreCarried(t *testing.T) {
	s := newStore(t)
	a := brings(t, s, "20260101T000001Z-a", "public/assets/x.css", "public/assets/a.php", "public/assets/a.PHTML", "public/assets/a.phar",
		"public/assets/a.php.css", "public/assets/a.php7", "public/assets/a.inc", "public/assets/.htaccess", "public/assets/.git/x.css", "elsewhere/y.css")
	folder := filepath.Join(a.Path, "public/assets")
	for name, target := range map[string]string{"link.css": "/etc/passwd", "folder": "../../elsewhere", "up": ".."} {
		if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "fifo.css"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../elsewhere", filepath.Join(a.Path, "public/build")); err != nil {
		t.Fatal(err)
	}
	b := brings(t, s, "20260101T000002Z-b")
	carryInto(t, s, b.ID)
	wantAssets(t, s, b.ID, "public/assets/x.css")
}

// Nothing is written through a link of the release that something is carried into.
func TestNothingIsCarriedThroughALink(t *testing.T) {
	s := newStore(t)
	outside := t.TempDir()
	brings(t, s, "20260101T000001Z-a", "public/assets/x.css", "public/build/y/y.css")
	st := stage(t, s, "20260101T000002Z-b", "public/index.php", "public/build/other.css")
	for _, name := range []string{"public/assets", "public/build/y"} {
		if err := os.Symlink(outside, filepath.Join(st.Path(), name)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := st.Seal(t.Context(), Manifest{Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if links := carryInto(t, s, b.ID); links != 0 {
		t.Errorf("%d links, want none", links)
	}
	if got := names(t, outside); got != "" {
		t.Errorf("written through the link: %s", got)
	}
}

// Assets are handed on as long as the release that brought them is kept, and no
// longer; and what somebody puts into a release later is not handed on.
func TestAssetsEndWithTheirRelease(t *testing.T) {
	s := newStore(t)
	a := brings(t, s, "20260101T000001Z-a", "public/assets/a.css")
	b := brings(t, s, "20260101T000002Z-b", "public/assets/b.css")
	carryInto(t, s, a.ID, b.ID)
	writeFile(t, filepath.Join(b.Path, "public/assets/planted.js"), "alert(1)")
	c := brings(t, s, "20260101T000003Z-c", "public/assets/c.css")
	carryInto(t, s, b.ID, c.ID)
	wantAssets(t, s, c.ID, "public/assets/a.css", "public/assets/b.css", "public/assets/c.css")
	if err := s.Remove(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	d := brings(t, s, "20260101T000004Z-d", "public/assets/d.css")
	carryInto(t, s, c.ID, d.ID)
	wantAssets(t, s, d.ID, "public/assets/b.css", "public/assets/c.css", "public/assets/d.css")
}

// A repeat is what the release itself brought.
func TestRepeatLeavesOutWhatWasCarried(t *testing.T) {
	s := newStore(t)
	a := brings(t, s, "20260101T000001Z-a", "public/assets/a.css")
	b := brings(t, s, "20260101T000002Z-b", "public/assets/b.css")
	carryInto(t, s, a.ID, b.ID)
	again, err := repeat(t, s, a.ID, "20260101T000003Z-a")
	if err != nil {
		t.Fatal(err)
	}
	wantAssets(t, s, again.ID, "public/assets/a.css")
	if again.Files != a.Files || again.Bytes != a.Bytes {
		t.Errorf("%d files, %d bytes; want those of the original: %d, %d", again.Files, again.Bytes, a.Files, a.Bytes)
	}
	carryInto(t, s, again.ID)
	wantAssets(t, s, again.ID, "public/assets/a.css", "public/assets/b.css")
}

// A folder that is configured later is looked at then; what came into the others
// meanwhile is still not the release's own.
func TestAssetFoldersChange(t *testing.T) {
	s := newStore(t)
	a := brings(t, s, "20260101T000001Z-a", "public/assets/a.css", "public/build/a.js")
	b := brings(t, s, "20260101T000002Z-b", "public/assets/b.css")
	if _, err := s.CarryAssets(t.Context(), assetFolders[:1], []string{a.ID, b.ID}); err != nil {
		t.Fatal(err)
	}
	wantAssets(t, s, b.ID, "public/assets/a.css", "public/assets/b.css")
	if err := s.MarkBad(a.ID, "kept"); err != nil {
		t.Fatal(err)
	}
	carryInto(t, s, b.ID)
	wantAssets(t, s, b.ID, "public/assets/a.css", "public/assets/b.css", "public/build/a.js")
	rec, err := s.readRecord(b.ID)
	if err != nil || !slices.Equal(rec.Assets.Files, []string{"public/assets/b.css"}) {
		t.Errorf("b's own: %+v, %v", rec.Assets, err)
	}
}

// What has too many names already, or may not be linked, is copied.
func TestAFileThatCannotBeLinkedIsCopied(t *testing.T) {
	s := newStore(t)
	a := brings(t, s, "20260101T000001Z-a", "public/assets/a.css")
	b := brings(t, s, "20260101T000002Z-b", "public/assets/b.css")
	must(t, tree.Between(a.Path, b.Path, func(from, to *os.Root) error {
		l := &linker{from: from, to: to}
		if err := l.copy(t.Context(), "public/assets/a.css"); err != nil {
			return err
		}
		if err := l.copy(t.Context(), "public/assets/a.css"); !errors.Is(err, os.ErrExist) {
			t.Errorf("a name that is taken gives %v", err)
		}
		return nil
	}))
	wantAssets(t, s, b.ID, "public/assets/a.css", "public/assets/b.css")
}
