package sourcetest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/source"
	"relink/internal/hint"
)

// Repository is a real one, with a clock of its own so that commits differ.
type Repository struct {
	t    *testing.T
	Dir  string
	When time.Time
}

var firstCommit = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

func NewRepository(t *testing.T, dir string) *Repository {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &Repository{t: t, Dir: dir, When: firstCommit}
	r.Git("init", "--quiet", "--initial-branch=main")
	return r
}

// T is the test that the repository is for.
func (r *Repository) T() *testing.T { return r.t }

func (r *Repository) Git(args ...string) string { return r.GitInput("", args...) }

// GitInput is Git with something to read.
func (r *Repository) GitInput(input string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "gc.auto=0"}, args...)...)
	cmd.Dir, cmd.Stdin = r.Dir, strings.NewReader(input)
	date := r.When.Format(time.RFC3339)
	cmd.Env = append(environ(), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A",
		"GIT_COMMITTER_EMAIL=a@example.org", "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *Repository) Write(name, content string) {
	r.t.Helper()
	WriteFile(r.t, filepath.Join(r.Dir, name), content)
}

func (r *Repository) Commit(message string) string {
	r.t.Helper()
	r.When = r.When.Add(time.Hour)
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "--message", message)
	return r.Git("rev-parse", "HEAD")
}

func WriteFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Staging makes a folder as the release package does.
func Staging(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".staging-x")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Fetch resolves and fetches, and gives the staging folder.
func Fetch(t *testing.T, s source.Source, ref string) (source.Resolved, string) {
	t.Helper()
	r, err := s.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatalf("resolve %s: %v", ref, err)
	}
	into := Staging(t)
	FetchInto(t, r, into)
	return r, into
}

func FetchInto(t *testing.T, r source.Resolved, into string) {
	t.Helper()
	if err := r.Fetch(t.Context(), into, nil); err != nil {
		t.Fatalf("fetch %s: %v", r.Ref, err)
	}
	if left, err := os.ReadDir(filepath.Dir(into)); err != nil || len(left) != 1 {
		t.Errorf("beside the staging folder is left %v (%v)", left, err)
	}
}

func WantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func WantHint(t *testing.T, err error, part string) {
	t.Helper()
	if all := strings.Join(hint.Of(err), "\n"); !strings.Contains(all, part) {
		t.Errorf("hints of %q are %q, want one with %q", err, all, part)
	}
}

// environ is without what a Git hook that runs the tests sets.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "GIT_") && !strings.HasPrefix(variable, "GIT_CONFIG_")
	})
}

// Tree describes what is in a folder: name, mode, and content or target.
func Tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			text = "-> " + target
		}
		found[strings.TrimPrefix(path, dir+"/")] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
