package source

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestGitRefusals(t *testing.T) {
	r, first, _ := history(t)
	blob := r.git("rev-parse", "HEAD:public/index.php")
	r.git("tag", "a-file", blob)
	g := newTestGit(t, r)
	for _, test := range []struct {
		ref  string
		want error
		hint string
	}{
		{"", ErrBadRef, "tag, a branch or a commit"},
		{"--upload-pack=touch /tmp/x", ErrBadRef, "tag, a branch or a commit"},
		{"main~1", ErrBadRef, "tag, a branch or a commit"},
		{"../main", ErrBadRef, "tag, a branch or a commit"},
		{"a\nb", ErrBadRef, "tag, a branch or a commit"},
		{"mian", ErrUnknownRef, "did you mean main"},
		{"feature/logon", ErrUnknownRef, "did you mean feature/login"},
		{"zzz", ErrUnknownRef, "the newest are"},
		{"a-file", ErrUnknownRef, "a tag of a commit"},
		{strings.Repeat("ab", 20), ErrUnknownRef, "push the commit"},
		{blob, ErrUnknownRef, ""},
		{blob[:10], ErrUnknownRef, ""},
		{"0000", ErrUnknownRef, ""},
	} {
		_, err := g.Resolve(t.Context(), test.ref)
		if !errors.Is(err, test.want) {
			t.Errorf("%q gives %v, want %v", test.ref, err, test.want)
			continue
		}
		wantHint(t, err, test.hint)
	}
	if _, err := g.Resolve(t.Context(), first); err != nil {
		t.Errorf("after all of these: %v", err)
	}
}

func TestGitAmbiguousCommit(t *testing.T) {
	r := newRepository(t, t.TempDir())
	seen := map[string]bool{}
	for {
		id := r.commit("again")
		if short := id[:4]; seen[short] {
			_, err := newTestGit(t, r).Resolve(t.Context(), short)
			if !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), id) {
				t.Errorf("%s gives %v", short, err)
			}
			return
		}
		// Commits at four characters meet soon (birthday paradox); a few hundred
		// git calls are saved by asking git for many at once.
		for line := range strings.Lines(manyCommits(r)) {
			seen[strings.TrimSpace(line)[:4]] = true
		}
	}
}

func TestGitUnreachable(t *testing.T) {
	newRepository(t, t.TempDir())
	url := "http://deploy:s3cr%40t@127.0.0.1:1/x.git"
	_, err := NewGit(url, filepath.Join(t.TempDir(), "cache"), true).Resolve(t.Context(), "main")
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "s3cr") || !strings.Contains(err.Error(), "http://deploy:***@127.0.0.1:1/x.git") {
		t.Errorf("the password is not masked: %v", err)
	}
	wantHint(t, err, "firewall")

	missing := filepath.Join(t.TempDir(), "missing.git")
	cache := filepath.Join(t.TempDir(), "cache")
	_, err = NewGit(missing, cache, true).Resolve(t.Context(), "main")
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
	wantHint(t, err, "correct source.git")
	if left, _ := filepath.Glob(cache + "*"); len(left) != 1 || left[0] != cache+".lock" {
		t.Errorf("left behind: %v", left)
	}
	_, err = NewGit("ext::sh -c true", cache, true).Resolve(t.Context(), "main")
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("ext:: gives %v", err)
	}
	wantHint(t, err, "https or ssh")
}
