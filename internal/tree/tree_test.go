package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func TestWalkLeavesFoldersInnermostFirst(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755), os.MkdirAll(filepath.Join(dir, "skipped/c"), 0o755),
		os.WriteFile(filepath.Join(dir, "a/file"), nil, 0o644), os.Symlink("a", filepath.Join(dir, "link")))
	var seen []string
	must(t, Walk(t.Context(), opened(t, dir), ".", func(name string, _ *Info) error {
		seen = append(seen, name)
		if name == "skipped" {
			return fs.SkipDir
		}
		return nil
	}, func(name string, _ *Info) error {
		seen = append(seen, "-"+name)
		return nil
	}))
	if got := strings.Join(seen, " "); got != ". a a/b -a/b a/file -a link skipped" {
		t.Errorf("visited %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Walk(ctx, opened(t, dir), ".", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a walk that is cancelled gives %v", err)
	}
}

// Others may remove what is walked through.
func TestWalkLeavesOutAFolderThatHasGone(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755), os.MkdirAll(filepath.Join(dir, "gone/c"), 0o755), os.Mkdir(filepath.Join(dir, "z"), 0o755))
	var seen []string
	must(t, Walk(t.Context(), opened(t, dir), ".", func(name string, _ *Info) error {
		seen = append(seen, name)
		if name == "gone" {
			return os.RemoveAll(filepath.Join(dir, name))
		}
		return nil
	}, func(name string, _ *Info) error {
		seen = append(seen, "-"+name)
		return nil
	}))
	if got := strings.Join(seen, " "); got != ". a a/b -a/b -a gone z -z" {
		t.Errorf("visited %s", got)
	}
}

func TestBarrier(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755), os.Symlink("a", filepath.Join(dir, "link")), os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	for name, want := range map[string]string{".": "", "a/b": "", "a/gone/deeper": "", "link/b": "link", "link": "link", "a/b/../../file": "file"} {
		if got, err := Barrier(opened(t, dir), filepath.Clean(name)); got != want || err != nil {
			t.Errorf("on the way to %s lies %q, %v; want %q", name, got, err, want)
		}
	}
}

// What was a file when the folder was listed may be a fifo when it is opened.
func TestCopyFile(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	old := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	must(t, os.WriteFile(filepath.Join(from, "a"), []byte("12345"), 0o666), os.Chmod(filepath.Join(from, "a"), 0o777),
		os.Chtimes(filepath.Join(from, "a"), old, old), syscall.Mkfifo(filepath.Join(from, "fifo"), 0o600))
	var wrote []int64
	copied := func(ctx context.Context, name, target string) error {
		return CopyFile(ctx, opened(t, from), name, opened(t, to), target, 0o755, func(n int64) { wrote = append(wrote, n) })
	}
	must(t, copied(t.Context(), "a", "b"))
	info, err := os.Stat(filepath.Join(to, "b"))
	if err != nil || info.Mode() != 0o755 || !info.ModTime().Equal(old) || info.Size() != 5 || !slices.Equal(wrote, []int64{5}) {
		t.Errorf("copied %+v, %v, told of %v", info, err, wrote)
	}
	if err := copied(t.Context(), "a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken gives %v", err)
	}
	must(t, os.Symlink("a", filepath.Join(from, "link")))
	for _, name := range []string{"fifo", "link"} {
		if err := copied(t.Context(), name, "c"); !errors.Is(err, ErrChanged) {
			t.Errorf("a %s gives %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := copied(ctx, "a", "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("a copy that is cancelled gives %v", err)
	}
	if _, err := os.Lstat(filepath.Join(to, "c")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left of a copy that failed: %v", err)
	}
}
