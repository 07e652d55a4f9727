// Package sourcetest is what every source must do, as a test of it, and what the
// tests of sources have in common.
package sourcetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/source"

	"github.com/google/go-cmp/cmp"
)

// Run holds a source against its contract. open makes one whose ref "v1" is what
// the folder tree holds; the folder is called v1.
func Run(t *testing.T, open func(t *testing.T, tree string) source.Source) {
	for name, test := range map[string]func(t *testing.T, s source.Source){
		"fetches":              fetches,
		"fetches twice":        fetchesTwice,
		"suggests a ref":       suggestsARef,
		"refuses a bad ref":    refusesABadRef,
		"is cancelled":         isCancelled,
		"needs a folder":       needsAFolder,
		"resolves what it was": resolvesAgain,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t, sample(t))) })
	}
}

const firstBytes = 5 + 5 + 9 // of the sample's files

// sample has a folder, a program, a link and a name that is not ASCII.
func sample(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "v1")
	WriteFile(t, filepath.Join(dir, "public/index.php"), "<?php")
	WriteFile(t, filepath.Join(dir, "größe in mm.txt"), "UTF-8")
	WriteFile(t, filepath.Join(dir, "bin/console"), "#!/bin/sh")
	if err := errors.Join(os.Chmod(filepath.Join(dir, "bin/console"), 0o755), os.Symlink("../bin/console", filepath.Join(dir, "public/run"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"public/index.php", "größe in mm.txt", "bin/console", "public", "bin", "."} {
		if err := os.Chtimes(filepath.Join(dir, name), firstCommit, firstCommit); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var wanted = map[string]string{
	"public": "drwxr-xr-x", "public/index.php": "-rw-r--r-- <?php", "public/run": "-> ../bin/console",
	"größe in mm.txt": "-rw-r--r-- UTF-8", "bin": "drwxr-xr-x", "bin/console": "-rwxr-xr-x #!/bin/sh",
}

func resolve(t *testing.T, s source.Source) source.Resolved {
	t.Helper()
	r, err := s.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fetches(t *testing.T, s source.Source) {
	r := resolve(t, s)
	if r.Ref != "v1" || r.Label != "v1" || r.Source == "" || r.Description == "" || r.Time.IsZero() || r.Bytes < firstBytes || r.Inodes < int64(len(wanted)) {
		t.Errorf("resolved is %+v", r)
	}
	var last, total int64
	into := Staging(t)
	if err := r.Fetch(t.Context(), into, func(done, of int64) { last, total = done, of }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, Tree(t, into)); diff != "" {
		t.Error(diff)
	}
	if last != r.Bytes || total != r.Bytes {
		t.Errorf("told of %d of %d bytes, announced %d", last, total, r.Bytes)
	}
	wantCacheable(t, into)
}

// wantCacheable: OPcache silently leaves out what was modified just now.
func wantCacheable(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) < 2*time.Second {
			t.Errorf("%s was modified at %v", path, info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func fetchesTwice(t *testing.T, s source.Source) {
	r := resolve(t, s)
	for range 2 {
		into := Staging(t)
		FetchInto(t, r, into)
		if diff := cmp.Diff(wanted, Tree(t, into)); diff != "" {
			t.Error(diff)
		}
	}
}

func resolvesAgain(t *testing.T, s source.Source) {
	first, second := resolve(t, s), resolve(t, s)
	first.Fetcher, second.Fetcher = nil, nil
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func suggestsARef(t *testing.T, s source.Source) {
	_, err := s.Resolve(t.Context(), "v1x")
	if !errors.Is(err, source.ErrUnknownRef) {
		t.Fatalf("an unknown ref gives %v", err)
	}
	WantHint(t, err, "did you mean v1")
}

func refusesABadRef(t *testing.T, s source.Source) {
	for _, ref := range []string{"", "--upload-pack=touch /tmp/x", "../v1", "v1/..", "/v1", "v1/", "a b", "a\nb", "v1~1", "*"} {
		_, err := s.Resolve(t.Context(), ref)
		if !errors.Is(err, source.ErrBadRef) {
			t.Errorf("%q gives %v", ref, err)
			continue
		}
		WantHint(t, err, "tag, a branch or a commit")
	}
}

func isCancelled(t *testing.T, s source.Source) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := resolve(t, s)
	into := Staging(t)
	if err := r.Fetch(ctx, into, func(_, _ int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("a fetch that is cancelled gives %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(into)); err != nil || len(left) != 1 {
		t.Errorf("beside the staging folder is left %v (%v)", left, err)
	}
	if _, err := s.Resolve(ctx, "v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("a resolve that is cancelled gives %v", err)
	}
}

func needsAFolder(t *testing.T, s source.Source) {
	r, into := resolve(t, s), Staging(t)
	if err := os.Remove(into); err != nil {
		t.Fatal(err)
	}
	if err := r.Fetch(t.Context(), into, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}
