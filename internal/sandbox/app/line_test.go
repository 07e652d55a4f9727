package app_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox/app"
)

var lines = map[string]func(ctx context.Context, dir string) (*app.Line, error){
	"generated": func(ctx context.Context, dir string) (*app.Line, error) { return app.Generated(ctx, dir, 300) },
	"mediawiki": func(ctx context.Context, dir string) (*app.Line, error) { return app.MediaWiki(ctx, "", dir) },
}

// Each page tells its release, and what differs is what the line says. One line serves
// for both: to make MediaWiki's takes half a minute.
func TestLines(t *testing.T) {
	t.Parallel()
	for name, make := range lines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := root(t)
			line, err := make(testContext(t), dir)
			if err != nil {
				t.Fatal(err)
			}
			all := []struct {
				tag  string
				next func(context.Context, string) error
				most int
			}{{"v2", line.Few, 10}, {"r3", line.Whole, line.Files}, {"r4", line.Few, 10}}
			if name == "mediawiki" {
				all = all[:1] // 214 MB, which is made as the others are
			}
			for _, one := range all {
				if err := one.next(testContext(t), one.tag); err != nil {
					t.Fatal(err)
				}
				changed := differing(t, line.Repository, one.tag+"~1", one.tag)
				if one.most == line.Files && changed != line.Files || changed == 0 || changed > one.most {
					t.Errorf("%s differs in %d files of %d", one.tag, changed, line.Files)
				}
			}
			s := serve(t, line.App, dir)
			for _, tag := range []string{"v1", "v2"} {
				for _, path := range line.Paths {
					p := get(t, s, tag, path)
					if got := line.Release(p.body, p.header); p.status != http.StatusOK || got != tag {
						t.Errorf("%s%s: status %d, release %q:\n%s", tag, path, p.status, got, p.body)
					}
				}
			}
			noErrors(t, s.PHPLog())
			if name == "mediawiki" {
				unwritten(t, filepath.Join(dir, "data", "v1"), filepath.Join(dir, "data", "v2"))
			}
		})
	}
}

// unwritten: visits to either have left both wikis as they were made.
func unwritten(t *testing.T, one, other string) {
	t.Helper()
	first, err := os.ReadFile(filepath.Join(one, "wiki.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(other, "wiki.sqlite"))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the visits have written to the wiki (%v)", err)
	}
}

func differing(t *testing.T, repository, from, to string) int {
	t.Helper()
	out, err := exec.CommandContext(testContext(t), "git", "-C", repository, "diff", "--name-only", from, to).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(out), "\n")
}
