package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
)

// history is a repository with a tag, two branches, and a name that is both a
// tag and a branch.
func history(t *testing.T) (r *repository, first, second string) {
	r = newRepository(t, filepath.Join(t.TempDir(), "Größe und Maß.git"))
	r.Write("public/index.php", "<?php echo 1;")
	r.Write("größe in mm.txt", "UTF-8")
	first = r.Commit("first")
	r.Git("tag", "--annotate", "--message", "one", "v1")
	r.Write("public/index.php", "<?php echo 2;")
	second = r.Commit("second")
	r.Git("branch", "feature/login")
	r.Git("branch", "v1") // beside the tag
	return r, first, second
}

func newTestGit(t *testing.T, r *repository) *Source {
	return New(r.Dir, filepath.Join(t.TempDir(), "Rel eases", ".cache.git"), true)
}

func TestGitRefs(t *testing.T) {
	r, first, second := history(t)
	g := newTestGit(t, r)
	for _, test := range []struct{ ref, commit, label, described string }{
		{"v1", first, "v1", "tag v1, commit " + first[:12] + " of 2024-02-03: first"},
		{"tags/v1", first, "v1", "tag v1"},
		{"heads/v1", second, "v1", "branch v1"},
		{"refs/heads/v1", second, "v1", "branch v1"},
		{"main", second, "main", "branch main"},
		{"feature/login", second, "feature/login", "branch feature/login"},
		{first, first, first[:12], "commit " + first[:12] + " of"},
		{strings.ToUpper(first), first, first[:12], "commit"},
		{first[:7], first, first[:12], "commit"},
	} {
		got, err := g.Resolve(t.Context(), test.ref)
		if err != nil {
			t.Errorf("%s: %v", test.ref, err)
			continue
		}
		if got.Commit != test.commit || got.Label != test.label || !strings.Contains(got.Description, test.described) {
			t.Errorf("%s is %s, label %s, %q; want %s, %s, %q", test.ref, got.Commit, got.Label, got.Description, test.commit, test.label, test.described)
		}
		if ambiguous := test.ref == "v1"; ambiguous != (len(got.Notes) == 1) {
			t.Errorf("%s: notes are %q", test.ref, got.Notes)
		}
	}
}

func TestGitCheckout(t *testing.T) {
	r, first, _ := history(t)
	r.Write("bin/console", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(r.Dir, "bin/console"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("bin/console", filepath.Join(r.Dir, "console")); err != nil {
		t.Fatal(err)
	}
	r.Write(".gitattributes", "*.bat text eol=crlf\n")
	r.Write("run.bat", "echo\n")
	r.Commit("third")
	g := newTestGit(t, r)

	resolved, err := g.Resolve(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	into := sourcetest.Staging(t)
	old := syscall.Umask(0o077) // modes must not come from the umask
	defer syscall.Umask(old)
	sourcetest.FetchInto(t, resolved, into, nil)

	sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 2;")
	sourcetest.WantFile(t, filepath.Join(into, "größe in mm.txt"), "UTF-8")
	sourcetest.WantFile(t, filepath.Join(into, "run.bat"), "echo\r\n")
	for name, mode := range map[string]os.FileMode{"public": os.ModeDir | 0o755, "public/index.php": 0o644, "bin/console": 0o755, "console": os.ModeSymlink | 0o777} {
		info, err := os.Lstat(filepath.Join(into, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode || !info.ModTime().Equal(r.When) {
			t.Errorf("%s has mode %v and time %v, want %v and %v", name, info.Mode(), info.ModTime(), mode, r.When)
		}
	}
	if _, err := os.Lstat(filepath.Join(into, ".git")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the release has a .git (%v)", err)
	}
	// 13 + 5 + 10 + 20 + 5 + 11 bytes in 6 files, and two folders.
	if resolved.Bytes != 64 || resolved.Inodes != 8 {
		t.Errorf("announced %d bytes and %d inodes", resolved.Bytes, resolved.Inodes)
	}
	_, into = sourcetest.Fetch(t, g, first)
	sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 1;")
}

func TestGitFollowsAForcePush(t *testing.T) {
	r, first, second := history(t)
	g := newTestGit(t, r)
	if got, err := g.Resolve(t.Context(), "main"); err != nil || got.Commit != second {
		t.Fatalf("main is %s, %v", got.Commit, err)
	}
	r.Git("reset", "--hard", "--quiet", first)
	r.Git("branch", "-D", "feature/login")
	r.Git("tag", "--force", "v1", second)
	if got, err := g.Resolve(t.Context(), "main"); err != nil || got.Commit != first {
		t.Errorf("after the force push main is %s, %v; want %s", got.Commit, err, first)
	}
	if got, err := g.Resolve(t.Context(), "tags/v1"); err != nil || got.Commit != second {
		t.Errorf("the moved tag is %s, %v; want %s", got.Commit, err, second)
	}
	if _, err := g.Resolve(t.Context(), "feature/login"); !errors.Is(err, source.ErrUnknownRef) {
		t.Errorf("a deleted branch gives %v", err)
	}
	// A branch may take the place of a folder of branches.
	r.Git("branch", "feature")
	if _, err := g.Resolve(t.Context(), "feature"); err != nil {
		t.Error(err)
	}
}

func TestGitFetchesACommitThatNoRefReaches(t *testing.T) {
	r, first, _ := history(t)
	r.Write("x", "lost")
	lost := r.Commit("lost")
	r.Git("reset", "--hard", "--quiet", first)
	_, into := sourcetest.Fetch(t, newTestGit(t, r), lost)
	sourcetest.WantFile(t, filepath.Join(into, "x"), "lost")
}

func TestGitNeedsNoRepositoryForAFullCommitInTheCache(t *testing.T) {
	r, first, _ := history(t)
	g := newTestGit(t, r)
	if _, err := g.Resolve(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.Dir, r.Dir+".away"); err != nil {
		t.Fatal(err)
	}
	_, into := sourcetest.Fetch(t, g, first)
	sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 1;")
	for _, ref := range []string{"main", first[:10], strings.Repeat("ab", 20)} {
		if _, err := g.Resolve(t.Context(), ref); !errors.Is(err, source.ErrUnreachable) {
			t.Errorf("%s is answered from a cache that may be stale: %v", ref, err)
		}
	}
}

func TestGitIsStoppedWithItsHelpers(t *testing.T) {
	r, _, _ := history(t)
	pids := filepath.Join(t.TempDir(), "pids")
	if err := syscall.Mkfifo(pids, 0o600); err != nil {
		t.Fatal(err)
	}
	ssh := filepath.Join(t.TempDir(), "ssh")
	sourcetest.WriteFile(t, ssh, "#!/bin/sh\necho $$ > '"+pids+"'\nexec sleep 1000\n")
	if err := os.Chmod(ssh, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH_COMMAND", ssh)
	ctx, cancel := context.WithCancel(t.Context())
	var helper string
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, _ := os.ReadFile(pids) // returns when the helper has started
		helper = strings.TrimSpace(string(text))
		cancel()
	}()
	_, err := New("ssh://host.invalid/"+r.Dir, filepath.Join(t.TempDir(), "cache"), true).Resolve(ctx, "main")
	<-done
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	awaitGone(t, helper)
}

// awaitGone waits until the process has ended; one that nobody has reaped yet counts as ended.
func awaitGone(t *testing.T, pid string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("process %s still runs: %s", pid, stat)
		case <-tick.C:
		}
	}
}

func TestGitInAHookUsesItsOwnRepository(t *testing.T) {
	r, first, _ := history(t)
	other := newRepository(t, t.TempDir())
	other.Commit("other")
	t.Setenv("GIT_DIR", filepath.Join(other.Dir, ".git"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(other.Dir, "index"))
	t.Setenv("GIT_QUARANTINE_PATH", other.Dir)
	resolved, _ := sourcetest.Fetch(t, newTestGit(t, r), "v1")
	if resolved.Commit != first {
		t.Errorf("v1 is %s", resolved.Commit)
	}
}

func TestConformance(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, tree string) source.Source {
		r := newRepository(t, tree)
		r.Commit("first")
		r.Git("tag", "v1")
		return newTestGit(t, r)
	})
}

// What matters is whether a file is a pointer, which is seen when the release is sealed
// (deploy/release, TestPointersOfGitLFSAreRefused).
func TestGitLFSWithoutGitLFS(t *testing.T) {
	r, _, _ := history(t)
	r.Write(".gitattributes", "*.png filter=lfs diff=lfs merge=lfs -text\n")
	r.Write("a.png", "version https://git-lfs.github.com/spec/v1\n")
	r.Commit("lfs")
	t.Setenv("PATH", gitOnly(t))
	_, into := sourcetest.Fetch(t, newTestGit(t, r), "main")
	sourcetest.WantFile(t, filepath.Join(into, "a.png"), "version https://git-lfs.github.com/spec/v1\n")
}

func TestGitTakesAShallowRepository(t *testing.T) {
	r, _, second := history(t)
	shallow := filepath.Join(t.TempDir(), "shallow")
	r.Git("clone", "--quiet", "--depth=1", "file://"+r.Dir, shallow)
	resolved, into := sourcetest.Fetch(t, New(shallow, filepath.Join(t.TempDir(), "cache"), true), "main")
	sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 2;")
	if resolved.Commit != second {
		t.Errorf("main is %s", resolved.Commit)
	}
}

// Trees that list each other: a repository of some kilobytes with 10^9 files.
func TestGitBombIsStopped(t *testing.T) {
	r := newRepository(t, t.TempDir())
	r.Write("f", strings.Repeat("\x00", 32<<20)) // of some KiB in git: 512 of them are enough
	r.Commit("one file")
	tree := r.Git("rev-parse", "HEAD^{tree}")
	for range 9 {
		var lines strings.Builder
		for n := range 10 {
			fmt.Fprintf(&lines, "040000 tree %s\td%d\n", tree, n)
		}
		tree = r.GitInput(lines.String(), "mktree")
	}
	r.Git("update-ref", "refs/heads/main", r.Git("commit-tree", "-m", "bomb", tree))
	_, err := newTestGit(t, r).Resolve(t.Context(), "main")
	if !errors.Is(err, source.ErrTooLarge) || errors.Is(err, source.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// Files of no bytes are counted, too: git would list them for half a minute.
func TestGitBombOfEmptyFilesIsStopped(t *testing.T) {
	const one = "100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 0\tf"
	most := treeListing{inodes: source.MostEntries - 1, files: map[string]string{}}
	if err := most.parse(one); err != nil {
		t.Errorf("as many as there may be: %v", err)
	}
	if err := most.parse(one); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("one more: %v", err)
	}
}
