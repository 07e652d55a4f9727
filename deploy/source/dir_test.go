package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cancelAfterProgress gives a context, and a progress that ends it.
func cancelAfterProgress(t *testing.T) (context.Context, Progress) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, func(done, total int64) { cancel() }
}

func TestDir(t *testing.T) {
	base := t.TempDir()
	from := filepath.Join(base, "builds", "größe v1")
	writeFile(t, filepath.Join(from, "public/index.php"), "<?php")
	writeFile(t, filepath.Join(from, "bin/console"), "#!/bin/sh")
	writeFile(t, filepath.Join(from, ".git/HEAD"), "not wanted")
	writeFile(t, filepath.Join(from, "vendor/lib/.git"), "not wanted")
	writeFile(t, filepath.Join(from, ".htaccess"), "wanted")
	written := time.Date(2025, 1, 2, 3, 4, 5, 600, time.UTC)
	if err := errors.Join(
		os.Chmod(filepath.Join(from, "bin/console"), os.ModeSetuid|0o750),
		os.Chmod(filepath.Join(from, "public"), 0o555),
		os.Symlink("../bin/console", filepath.Join(from, "vendor/run")),
		os.Symlink("gone", filepath.Join(from, "dangling")),
		os.Chtimes(filepath.Join(from, "public/index.php"), written, written),
		os.Chtimes(filepath.Join(from, "public"), written, written),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(from, "public"), 0o755) })
	// The pattern may lead through a link.
	if err := os.Symlink("builds", filepath.Join(base, "in")); err != nil {
		t.Fatal(err)
	}
	resolved, into := fetch(t, NewDir(filepath.Join(base, "in", "größe {ref}")), "v1")
	want := map[string]string{
		"public": "dr-xr-xr-x", "public/index.php": "-rw-r--r-- <?php", "bin": "drwxr-xr-x", "bin/console": "-rwxr-x--- #!/bin/sh",
		".htaccess": "-rw-r--r-- wanted", "vendor": "drwxr-xr-x", "vendor/lib": "drwxr-xr-x", "vendor/run": "-> ../bin/console", "dangling": "-> gone",
	}
	if diff := cmp.Diff(want, tree(t, into)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"public", "public/index.php"} {
		if info, err := os.Stat(filepath.Join(into, name)); err != nil || !info.ModTime().Equal(written) {
			t.Errorf("%s has time %v, %v", name, info.ModTime(), err)
		}
	}
	if resolved.Bytes != 20 || resolved.Inodes != 10 || resolved.Label != "v1" {
		t.Errorf("announced %d bytes, %d inodes, label %s", resolved.Bytes, resolved.Inodes, resolved.Label)
	}
	if err := os.Chmod(filepath.Join(into, "public"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestDirRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		make func(dir string) error
		says string
	}{
		"absolute link": {func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "bad")) }, "bad: "},
		"link out":      {func(dir string) error { return os.Symlink("../x", filepath.Join(dir, "bad")) }, "bad: "},
		"links that climb together": {func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "x/y"), 0o755), os.Symlink("../..", filepath.Join(dir, "x/y/up")),
				os.Symlink("x/y/up/../z", filepath.Join(dir, "bad")))
		}, "bad: "},
		"fifo": {func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "bad"), 0o600) }, "bad: "},
	} {
		t.Run(name, func(t *testing.T) {
			from := t.TempDir()
			writeFile(t, filepath.Join(from, "a"), "1")
			if err := test.make(from); err != nil {
				t.Fatal(err)
			}
			d := NewDir(from)
			r, err := d.Resolve(t.Context(), "v1")
			if err == nil {
				err = d.Fetch(t.Context(), r, newStaging(t), nil)
			}
			if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDirErrors(t *testing.T) {
	base := t.TempDir()
	writeFile(t, filepath.Join(base, "release-1.2", "a"), "1")
	d := NewDir(filepath.Join(base, "release-{ref}"))
	_, err := d.Resolve(t.Context(), "1.3")
	if !errors.Is(err, ErrUnknownRef) {
		t.Errorf("got %v", err)
	}
	wantHint(t, err, "did you mean 1.2")
	if _, err := d.Resolve(t.Context(), "1.2/a"); err == nil {
		t.Error("a file is taken for a folder")
	}
	if _, err := NewDir(filepath.Join(base, "no")).Resolve(t.Context(), "1.2"); err == nil {
		t.Error("a missing folder is resolved")
	}
	r, err := d.Resolve(t.Context(), "1.2")
	if err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(r.Source, "releases", ".staging-x")
	if err := os.MkdirAll(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Fetch(t.Context(), r, inside, nil); !errors.Is(err, ErrUnsafe) {
		t.Errorf("copying a folder into itself gives %v", err)
	}
}

func TestDirIsCancelled(t *testing.T) {
	from := t.TempDir()
	writeFile(t, filepath.Join(from, "a"), "1")
	writeFile(t, filepath.Join(from, "b"), "1")
	d := NewDir(from)
	r, err := d.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, progress := cancelAfterProgress(t)
	if err := d.Fetch(ctx, r, newStaging(t), progress); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
