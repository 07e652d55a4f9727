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
	"relink/internal/tree"

	"github.com/google/go-cmp/cmp"
)

// Run holds a source against its contract. open makes one whose ref "v1" is what
// the folder tree holds; the folder is called v1.
func Run(t *testing.T, open func(t *testing.T, tree string) source.Source) {
	for name, test := range map[string]func(t *testing.T, s source.Source){
		"fetches":           fetches,
		"suggests a ref":    suggestsARef,
		"refuses a bad ref": refusesABadRef,
		"is cancelled":      isCancelled,
		"needs a folder":    needsAFolder,
		"leaves out":        leavesOut,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t, sample(t))) })
	}
}

const sampleBytes = 5 + 5 + 9

var written = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

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
		if err := os.Chtimes(filepath.Join(dir, name), written, written); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var wanted = map[string]string{
	"public": "drwxr-xr-x", "public/index.php": "-rw-r--r-- <?php", "public/run": "-> ../bin/console",
	"größe in mm.txt": "-rw-r--r-- UTF-8", "bin": "drwxr-xr-x", "bin/console": "-rwxr-xr-x #!/bin/sh",
}

// fetches twice what it resolves twice: each time the same.
func fetches(t *testing.T, s source.Source) {
	r, again := resolve(t, s, "v1"), resolve(t, s, "v1")
	if r.Ref != "v1" || r.Label != "v1" || r.Source == "" || r.Description == "" || r.Time.IsZero() || r.Bytes < sampleBytes || r.Inodes < int64(len(wanted)) {
		t.Errorf("resolved is %+v", r)
	}
	for range 2 {
		var last, total int64
		into := Staging(t)
		FetchInto(t, r, into, func(done, of int64) { last, total = done, of })
		if diff := cmp.Diff(wanted, Tree(t, into)); diff != "" {
			t.Error(diff)
		}
		if last != r.Bytes || total != r.Bytes {
			t.Errorf("told of %d of %d bytes, announced %d", last, total, r.Bytes)
		}
		// OPcache silently leaves out what was modified just now.
		if info, err := os.Stat(filepath.Join(into, "public/index.php")); err != nil || time.Since(info.ModTime()) < 2*time.Second {
			t.Errorf("a script was modified at %v, %v", info.ModTime(), err)
		}
	}
	r.Fetcher, again.Fetcher = nil, nil
	if diff := cmp.Diff(r, again); diff != "" {
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
	r := resolve(t, s, "v1")
	into := Staging(t)
	if err := r.Fetch(ctx, into, func(_, _ int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("a fetch that is cancelled gives %v", err)
	}
	wantAlone(t, into)
	if _, err := s.Resolve(ctx, "v1"); !errors.Is(err, context.Canceled) {
		t.Errorf("a resolve that is cancelled gives %v", err)
	}
}

func needsAFolder(t *testing.T, s source.Source) {
	r, into := resolve(t, s, "v1"), Staging(t)
	if err := os.Remove(into); err != nil {
		t.Fatal(err)
	}
	if err := r.Fetch(t.Context(), into, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}

// Base is a folder as an earlier release, and what its source made it of.
type Base struct {
	Source, Commit string
	Files          map[string]source.Held
}

// BaseOf is what a folder holds.
func BaseOf(t *testing.T, r source.Resolved, dir string) Base {
	t.Helper()
	b := Base{r.Source, r.Commit, map[string]source.Held{}}
	err := tree.With(dir, func(root *os.Root) error {
		return tree.Walk(t.Context(), root, ".", func(name string, info *tree.Info) error {
			if info.IsDir() {
				return nil
			}
			sum, err := tree.Sum(t.Context(), root, name, info)
			b.Files[name] = source.Held{Mode: info.Mode(), Size: info.Size(), Sum: sum}
			return err
		}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Base implements source.Base.
func (b Base) Base() (from, commit string) { return b.Source, b.Commit }

// Has implements source.Base.
func (b Base) Has(name string) (source.Held, bool) {
	held, ok := b.Files[name]
	return held, ok
}

// leavesOut brings what the base does not have, and keeps of it what is the same.
func leavesOut(t *testing.T, s source.Source) {
	r := resolve(t, s, "v1")
	updater, able := r.Fetcher.(source.Updater)
	if !able {
		return // it brings all, which is right too
	}
	first, second := Staging(t), Staging(t)
	FetchInto(t, r, first, nil)
	base := BaseOf(t, r, first)
	delete(base.Files, "bin/console")
	base.Files["made/by/build"] = source.Held{}
	keeps, err := updater.Update(t.Context(), second, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !keeps("public/index.php") || !keeps("größe in mm.txt") || keeps("bin/console") || keeps("made/by/build") {
		t.Error("keeps other files than those that are there already")
	}
	brought := Tree(t, second)
	if brought["bin/console"] != wanted["bin/console"] || brought["public/index.php"] != "" {
		t.Errorf("brought %v", brought)
	}
}
