package git

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
)

func TestGitRefusals(t *testing.T) {
	r, first, _ := history(t)
	blob := r.Git("rev-parse", "HEAD:public/index.php")
	r.Git("tag", "a-file", blob)
	g := newTestGit(t, r)
	for _, test := range []struct {
		ref  string
		want error
		hint string
	}{
		{"", source.ErrBadRef, "tag, a branch or a commit"},
		{"--upload-pack=touch /tmp/x", source.ErrBadRef, "tag, a branch or a commit"},
		{"main~1", source.ErrBadRef, "tag, a branch or a commit"},
		{"../main", source.ErrBadRef, "tag, a branch or a commit"},
		{"a\nb", source.ErrBadRef, "tag, a branch or a commit"},
		{"mian", source.ErrUnknownRef, "did you mean main"},
		{"feature/logon", source.ErrUnknownRef, "did you mean feature/login"},
		{"zzz", source.ErrUnknownRef, "the newest are"},
		{"a-file", source.ErrUnknownRef, "a tag of a commit"},
		{strings.Repeat("ab", 20), source.ErrUnknownRef, "push the commit"},
		{blob, source.ErrUnknownRef, ""},
		{blob[:10], source.ErrUnknownRef, ""},
		{"0000", source.ErrUnknownRef, ""},
	} {
		_, err := g.Resolve(t.Context(), test.ref)
		if !errors.Is(err, test.want) {
			t.Errorf("%q gives %v, want %v", test.ref, err, test.want)
			continue
		}
		sourcetest.WantHint(t, err, test.hint)
	}
	if _, err := g.Resolve(t.Context(), first); err != nil {
		t.Errorf("after all of these: %v", err)
	}
}

func TestGitAmbiguousCommit(t *testing.T) {
	r := newRepository(t, t.TempDir())
	seen := map[string]bool{}
	for {
		id := r.Commit("again")
		if short := id[:4]; seen[short] {
			g := newTestGit(t, r)
			calls := countGit(t)
			_, err := g.Resolve(t.Context(), short)
			if n := strings.Count(calls(), "cat-file"); n != 1 { // however many objects it may be
				t.Errorf("git cat-file ran %d times", n)
			}
			if !errors.Is(err, source.ErrAmbiguous) || !strings.Contains(err.Error(), id) {
				t.Errorf("%s gives %v", short, err)
			}
			return
		}
		// Commits at four characters meet soon (birthday paradox); a few hundred
		// git calls are saved by asking git for many at once.
		for line := range strings.Lines(manyCommits(t, r)) {
			seen[strings.TrimSpace(line)[:4]] = true
		}
	}
}

// countGit has git note its calls.
func countGit(t *testing.T) (calls func() string) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	if err := os.WriteFile(filepath.Join(dir, "git"), fmt.Appendf(nil, "#!/bin/sh\necho \"$*\" >>%s\nexec %s \"$@\"\n", log, git), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestGitUnreachable(t *testing.T) {
	newRepository(t, t.TempDir())
	url := "http://deploy:s3cr%40t@127.0.0.1:1/x.git"
	_, err := New(url, filepath.Join(t.TempDir(), "cache"), true).Resolve(t.Context(), "main")
	if !errors.Is(err, source.ErrUnreachable) {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "s3cr") || !strings.Contains(err.Error(), "http://deploy:***@127.0.0.1:1/x.git") {
		t.Errorf("the password is not masked: %v", err)
	}
	sourcetest.WantHint(t, err, "firewall")

	missing := filepath.Join(t.TempDir(), "missing.git")
	cache := filepath.Join(t.TempDir(), "cache")
	_, err = New(missing, cache, true).Resolve(t.Context(), "main")
	if !errors.Is(err, source.ErrUnreachable) || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
	sourcetest.WantHint(t, err, "correct source.git")
	if left, _ := filepath.Glob(cache + "*"); len(left) != 1 || left[0] != cache+".lock" {
		t.Errorf("left behind: %v", left)
	}
	_, err = New("ext::sh -c true", cache, true).Resolve(t.Context(), "main")
	if !errors.Is(err, source.ErrUnreachable) {
		t.Errorf("ext:: gives %v", err)
	}
	sourcetest.WantHint(t, err, "https or ssh")
}
