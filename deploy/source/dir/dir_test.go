package dir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"

	"github.com/google/go-cmp/cmp"
)

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(_ *testing.T, tree string) source.Source {
		return New(filepath.Join(filepath.Dir(tree), "{ref}"))
	})
}

func TestDir(t *testing.T) {
	base := t.TempDir()
	from := filepath.Join(base, "builds", "größe v1")
	sourcetest.WriteFile(t, filepath.Join(from, "public/index.php"), "<?php")
	sourcetest.WriteFile(t, filepath.Join(from, "bin/console"), "#!/bin/sh")
	sourcetest.WriteFile(t, filepath.Join(from, ".git/HEAD"), "not wanted")
	sourcetest.WriteFile(t, filepath.Join(from, "vendor/lib/.git"), "not wanted")
	sourcetest.WriteFile(t, filepath.Join(from, ".htaccess"), "wanted")
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
	resolved, into := sourcetest.Fetch(t, New(filepath.Join(base, "in", "größe {ref}")), "v1")
	want := map[string]string{
		"public": "dr-xr-xr-x", "public/index.php": "-rw-r--r-- <?php", "bin": "drwxr-xr-x", "bin/console": "-rwxr-x--- #!/bin/sh",
		".htaccess": "-rw-r--r-- wanted", "vendor": "drwxr-xr-x", "vendor/lib": "drwxr-xr-x", "vendor/run": "-> ../bin/console", "dangling": "-> gone",
	}
	if diff := cmp.Diff(want, sourcetest.Tree(t, into)); diff != "" {
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
			sourcetest.WriteFile(t, filepath.Join(from, "a"), "1")
			if err := test.make(from); err != nil {
				t.Fatal(err)
			}
			d := New(from)
			r, err := d.Resolve(t.Context(), "v1")
			if err == nil {
				into := sourcetest.Staging(t)
				err = errors.Join(r.Fetch(t.Context(), into, nil), sourcetest.CheckLinks(t, into))
			}
			if !errors.Is(err, source.ErrUnsafe) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDirErrors(t *testing.T) {
	base := t.TempDir()
	sourcetest.WriteFile(t, filepath.Join(base, "release-1.2", "a"), "1")
	d := New(filepath.Join(base, "release-{ref}"))
	_, err := d.Resolve(t.Context(), "1.3")
	if !errors.Is(err, source.ErrUnknownRef) {
		t.Errorf("got %v", err)
	}
	sourcetest.WantHint(t, err, "did you mean 1.2")
	if _, err := d.Resolve(t.Context(), "1.2/a"); err == nil {
		t.Error("a file is taken for a folder")
	}
	if _, err := New(filepath.Join(base, "no")).Resolve(t.Context(), "1.2"); err == nil {
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
	if err := r.Fetch(t.Context(), inside, nil); !errors.Is(err, source.ErrUnsafe) {
		t.Errorf("copying a folder into itself gives %v", err)
	}
}

// A folder that its owner lets grow fills neither the disk nor the memory.
func TestAFolderHasToFit(t *testing.T) {
	from := t.TempDir()
	sourcetest.WriteFile(t, filepath.Join(from, "a"), "1")
	r, err := New(from).Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(from, "a"), source.MostBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := New(from).Resolve(t.Context(), "v1"); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("resolved: %v", err)
	}
	if err := r.Fetch(t.Context(), sourcetest.Staging(t), nil); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("fetched: %v", err)
	}
}
