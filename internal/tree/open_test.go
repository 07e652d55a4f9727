package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever may write where a folder is expected puts a FIFO there, and nobody ever writes
// into it.
func TestAFIFOInPlaceOfAFolderIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600), os.Symlink("fifo", filepath.Join(dir, "link")))
	none := func(*os.Root) error { t.Error("it was opened"); return nil }
	root := opened(t, dir)
	for _, name := range []string{"fifo", "link"} {
		_, within := OpenRootIn(root, name)
		for what, err := range map[string]error{"with": With(filepath.Join(dir, name), none), "within": within, "set time": SetTime(root, name+"/x", time.Now())} {
			if !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
}

func TestOpenRoot(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755), os.WriteFile(filepath.Join(dir, "a/file"), nil, 0o644),
		os.Symlink("a", filepath.Join(dir, "link")), os.Symlink("..", filepath.Join(dir, "a/out")))
	for name, want := range map[string]error{"a": nil, "link": nil, "a/b/..": nil, "none": fs.ErrNotExist, "a/file": syscall.ENOTDIR} {
		root, err := OpenRoot(filepath.Join(dir, name))
		if !errors.Is(err, want) || err != nil && !strings.Contains(err.Error(), " "+filepath.Join(dir, name)+": ") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			must(t, root.Close())
		}
	}
	if root, err := OpenRoot(""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no name: %v, %v", root, err)
	}
	root := opened(t, filepath.Join(dir, "a"))
	for name, good := range map[string]bool{"b": true, ".": true, "b/..": true, "out": false, "..": false, dir: false, "file": false, "": false} {
		folder, err := OpenRootIn(root, name)
		if (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			must(t, folder.Close())
		}
	}
}
