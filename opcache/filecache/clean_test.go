package filecache_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/opcache/filecache"
)

const build = "0123456789abcdef0123456789abcdef"

func gone(release string) bool { return strings.HasPrefix(release, "gone") }

func write(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestWhatIsOfGoneReleasesGoes(t *testing.T) {
	root := t.TempDir()
	removed := []string{build + "/srv/rel/gone1/a.php.bin", build + "/srv/rel/gone1/b/c/d.php.bin", strings.Repeat("f", 32) + "/srv/rel/gone2/x.php.bin"}
	stays := []string{
		build + "/srv/rel/live/a.php.bin", build + "/srv/rel/gone.php.bin", build + "/srv/other/gone1/a.php.bin",
		"notabuild/srv/rel/gone1/a.php.bin", build + "/srv/rel/gone3/notes.txt",
	}
	write(t, root, slices.Concat(removed, stays)...)
	done, err := filecache.Clean(t.Context(), root, "/srv/rel", gone)
	if err != nil || done != (filecache.Cleaned{Files: 3, Bytes: 15}) {
		t.Errorf("%+v, %v", done, err)
	}
	for _, name := range removed {
		if exists(filepath.Join(root, name)) {
			t.Errorf("%s is there still", name)
		}
	}
	for _, name := range stays {
		if !exists(filepath.Join(root, name)) {
			t.Errorf("%s is gone", name)
		}
	}
	if exists(filepath.Join(root, build, "srv/rel/gone1")) {
		t.Error("an empty folder was left")
	}
	if done, err := filecache.Clean(t.Context(), filepath.Join(root, "none"), "/srv/rel", gone); err != nil || done.Files != 0 {
		t.Errorf("%+v, %v", done, err)
	}
}

// The cache is the pool's user's, who may have put links where folders are expected.
func TestNoLinkIsFollowed(t *testing.T) {
	for name, link := range map[string]string{
		"the build": build, "on the way": build + "/srv", "the releases": build + "/srv/rel", "a release": build + "/srv/rel/gone1", "a folder": build + "/srv/rel/gone1/inc",
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			others := filepath.Join(root, "others")
			victims := []string{"gone1/a.php.bin", "rel/gone1/a.php.bin", "srv/rel/gone1/a.php.bin", "a.php.bin", "inc/a.php.bin"}
			write(t, others, victims...)
			at := filepath.Join(root, "cache", link)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(others, at); err != nil {
				t.Fatal(err)
			}
			done, _ := filecache.Clean(t.Context(), filepath.Join(root, "cache"), "/srv/rel", gone)
			if done.Files != 0 {
				t.Errorf("%+v", done)
			}
			for _, victim := range victims {
				if !exists(filepath.Join(others, victim)) {
					t.Errorf("%s was removed through a link", victim)
				}
			}
		})
	}
}

// Nor within the folder that was named: a pool may lie about where its cache is.
func TestNoLinkWithinTheFolderIsFollowed(t *testing.T) {
	root := t.TempDir()
	write(t, root, "others/gone1/a.php.bin")
	at := filepath.Join(root, build, "srv")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../others", filepath.Join(at, "rel")); err != nil {
		t.Fatal(err)
	}
	done, _ := filecache.Clean(t.Context(), root, "/srv/rel", gone)
	if done.Files != 0 || !exists(filepath.Join(root, "others/gone1/a.php.bin")) {
		t.Errorf("%+v", done)
	}
}
