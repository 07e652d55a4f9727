package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/hint"
)

// repository is a real one, with a clock of its own so that commits differ.
type repository struct {
	t    *testing.T
	dir  string
	when time.Time
}

var firstCommit = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

func newRepository(t *testing.T, dir string) *repository {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &repository{t: t, dir: dir, when: firstCommit}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "protocol.file.allow=always", "-c", "gc.auto=0"}, args...)...)
	cmd.Dir = r.dir
	date := r.when.Format(time.RFC3339)
	cmd.Env = append(gitEnviron(os.Environ()), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=A",
		"GIT_COMMITTER_EMAIL=a@example.org", "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) write(name, content string) {
	r.t.Helper()
	writeFile(r.t, filepath.Join(r.dir, name), content)
}

func (r *repository) commit(message string) string {
	r.t.Helper()
	r.when = r.when.Add(time.Hour)
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message", message)
	return r.git("rev-parse", "HEAD")
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newStaging makes a folder as the release package does.
func newStaging(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".staging-x")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fetch resolves and fetches, and gives the staging folder.
func fetch(t *testing.T, s Source, ref string) (Resolved, string) {
	t.Helper()
	r, err := s.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatalf("resolve %s: %v", ref, err)
	}
	into := newStaging(t)
	fetchInto(t, s, r, into)
	return r, into
}

func fetchInto(t *testing.T, s Source, r Resolved, into string) {
	t.Helper()
	if err := s.Fetch(t.Context(), r, into, nil); err != nil {
		t.Fatalf("fetch %s: %v", r.Ref, err)
	}
	if left, err := os.ReadDir(filepath.Dir(into)); err != nil || len(left) != 1 {
		t.Errorf("beside the staging folder is left %v (%v)", left, err)
	}
}

func wantFile(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func wantHint(t *testing.T, err error, part string) {
	t.Helper()
	if all := strings.Join(hint.Of(err), "\n"); !strings.Contains(all, part) {
		t.Errorf("hints of %q are %q, want one with %q", err, all, part)
	}
}
