package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// gitOnly is a PATH with git and nothing else that this machine may have.
func gitOnly(t *testing.T) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(git, filepath.Join(dir, "git")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// manyCommits makes commits with one process, and lists their ids.
func manyCommits(t *testing.T, r *repository) string {
	t.Helper()
	var stream strings.Builder
	for n := range 500 {
		fmt.Fprintf(&stream, "commit refs/heads/many\ncommitter A <a@example.org> %d +0000\ndata 1\nx\n", 1700000000+n)
	}
	cmd := exec.Command("git", "fast-import", "--quiet", "--force")
	cmd.Dir, cmd.Stdin = r.Dir, strings.NewReader(stream.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	return r.Git("rev-list", "--all")
}

func TestGitCacheHeals(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, cache string){
		"half a clone": func(t *testing.T, cache string) {
			remove(t, filepath.Join(cache, "HEAD"), filepath.Join(cache, originFile))
		},
		"an empty folder": func(t *testing.T, cache string) {
			remove(t, cache)
			if err := os.Mkdir(cache, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"a file in its place": func(t *testing.T, cache string) {
			remove(t, cache)
			sourcetest.WriteFile(t, cache, "")
		},
		"no HEAD": func(t *testing.T, cache string) { remove(t, filepath.Join(cache, "HEAD")) },
		"stale locks": func(t *testing.T, cache string) {
			for _, lock := range []string{"packed-refs.lock", "refs/heads/main.lock", "HEAD.lock", "config.lock"} {
				sourcetest.WriteFile(t, filepath.Join(cache, lock), "")
			}
		},
		"an empty ref": func(t *testing.T, cache string) { sourcetest.WriteFile(t, filepath.Join(cache, "refs/heads/main"), "") },
		"no objects":   func(t *testing.T, cache string) { remove(t, filepath.Join(cache, "objects")) },
		"objects cut off": func(t *testing.T, cache string) {
			overwriteObjects(t, cache, func(b []byte) []byte { return b[:len(b)/2] })
		},
		"objects of zeros": func(t *testing.T, cache string) {
			overwriteObjects(t, cache, func(b []byte) []byte { return make([]byte, len(b)) })
		},
		"leftover temporary": func(t *testing.T, cache string) { sourcetest.WriteFile(t, cache+".new-1/HEAD", ""); remove(t, cache) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _, second := history(t)
			g := newTestGit(t, r)
			if _, err := g.Resolve(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			ref := "main"
			if name == "objects cut off" { // one for which the network is asked only if it must be
				ref = second
			}
			damage(t, g.cacheDir)
			_, into := sourcetest.Fetch(t, g, ref)
			sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 2;")
			if left, _ := filepath.Glob(g.cacheDir + ".new-*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A blob that is damaged inside is only noticed when it is checked out.
func TestGitCacheHealsDuringTheCheckout(t *testing.T) {
	r, _, _ := history(t)
	g := newTestGit(t, r)
	resolved, err := g.Resolve(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	overwriteObjects(t, g.cacheDir, func(b []byte) []byte { return b[:len(b)/3] })
	into := sourcetest.Staging(t)
	if err := resolved.Fetch(t.Context(), into, nil); err != nil {
		t.Fatal(err)
	}
	sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 2;")
}

func TestGitCheckoutFailureThatIsNotTheCaches(t *testing.T) {
	r, _, _ := history(t)
	g := newTestGit(t, r)
	resolved, err := g.Resolve(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	into := sourcetest.Staging(t)
	remove(t, into)
	if err := resolved.Fetch(t.Context(), into, nil); err == nil || errors.Is(err, source.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestGitCacheOfAnotherRepositoryIsReplaced(t *testing.T) {
	r, _, second := history(t)
	g := newTestGit(t, r)
	if _, err := g.Resolve(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	other := newRepository(t, t.TempDir())
	want := other.Commit("other")
	moved := New(other.Dir, g.cacheDir, true)
	if _, err := moved.Resolve(t.Context(), second); !errors.Is(err, source.ErrUnknownRef) {
		t.Errorf("the former repository's commit gives %v", err)
	}
	if got, err := moved.Resolve(t.Context(), "main"); err != nil || got.Commit != want {
		t.Errorf("main is %s, %v", got.Commit, err)
	}
}

func TestGitEmptyRepository(t *testing.T) {
	r := newRepository(t, t.TempDir())
	_, err := newTestGit(t, r).Resolve(t.Context(), "main")
	if !errors.Is(err, source.ErrUnknownRef) {
		t.Errorf("got %v", err)
	}
	sourcetest.WantHint(t, err, "has none")
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

func overwriteObjects(t *testing.T, cache string, change func([]byte) []byte) {
	t.Helper()
	changed := 0
	err := filepath.WalkDir(filepath.Join(cache, "objects"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ".idx") || strings.HasSuffix(path, ".rev") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		changed++
		return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, change(data), 0o600))
	})
	if err != nil || changed == 0 {
		t.Fatalf("changed %d objects, %v", changed, err)
	}
}

// The configuration of a repository names programs that git runs.
func TestCacheOfAnotherUserIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"written by others": func(dir string) error { return os.Chmod(dir, 0o777) },
		"another's":         func(dir string) error { return os.Chown(dir, 65534, 65534) },
		"a link": func(dir string) error {
			return errors.Join(os.Remove(dir), os.Symlink(t.TempDir(), dir))
		},
	} {
		if name == "another's" && os.Geteuid() != 0 {
			continue
		}
		dir := filepath.Join(t.TempDir(), "cache")
		if err := errors.Join(os.Mkdir(dir, 0o755), spoil(dir)); err != nil {
			t.Fatal(err)
		}
		err := newRepoCache("/srv/none.git", dir).use(t.Context(), func() error { t.Error("used"); return nil })
		if !errors.Is(err, errForeign) || len(hint.Of(err)) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever could write in the cache once, such as the user that deployed before, must not
// have left a program there for git to run.
func TestCacheThatNamesProgramsIsMadeAnew(t *testing.T) {
	r, _, second := history(t)
	r.Write(".gitattributes", "*.php filter=evil\n")
	r.Commit("third")
	ran := filepath.Join(t.TempDir(), "ran")
	for name, plant := range map[string]func(cache string){
		"a filter": func(cache string) {
			r.Git("--git-dir="+cache, "config", "filter.evil.smudge", "touch '"+ran+"'; cat")
		},
		"attributes": func(cache string) {
			r.Git("config", "--global", "filter.mine.smudge", "touch '"+ran+"'; cat")
			sourcetest.WriteFile(t, filepath.Join(cache, "info/attributes"), "* filter=mine\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newTestGit(t, r)
			if _, err := g.Resolve(t.Context(), "main"); err != nil {
				t.Fatal(err)
			}
			plant(g.cacheDir)
			sourcetest.Fetch(t, g, "main")
			sourcetest.Fetch(t, g, second)
			if _, err := os.Lstat(ran); err == nil {
				t.Error("a program that the cache names has run")
			}
		})
	}
}

func TestCacheLockIsNotALink(t *testing.T) {
	r, _, _ := history(t)
	g := newTestGit(t, r)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := errors.Join(os.MkdirAll(filepath.Dir(g.cacheDir), 0o755), os.Symlink(elsewhere, g.cacheDir+".lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Resolve(t.Context(), "main"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("a file was made where the link leads")
	}
}

// A user who may not write beside the releases has nobody to wait for.
func TestHintWhereTheCacheIsNotLocked(t *testing.T) {
	c := newRepoCache("/srv/wiki.git", "/srv/releases.git-cache")
	for err, want := range map[error]string{
		&fs.PathError{Op: "open", Path: "/srv/releases.git-cache.lock", Err: syscall.EACCES}: "let this user write /srv,",
		context.DeadlineExceeded: "wait for the other relink",
	} {
		if got := strings.Join(hint.Of(c.notLocked(err)), "; "); !strings.Contains(got, want) {
			t.Errorf("%v: hint %q, want %q", err, got, want)
		}
	}
}
