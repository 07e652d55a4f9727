package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy/source/sourcetest"
)

// repository is a real one, with a clock of its own so that commits differ.
type repository struct {
	t    *testing.T
	Dir  string
	When time.Time
}

var firstCommit = time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)

func newRepository(t *testing.T, dir string) *repository {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := &repository{t: t, Dir: dir, When: firstCommit}
	r.Git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r *repository) Git(args ...string) string { return r.GitInput("", args...) }

// GitInput is Git with something to read.
func (r *repository) GitInput(input string, args ...string) string {
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

func (r *repository) Write(name, content string) {
	r.t.Helper()
	sourcetest.WriteFile(r.t, filepath.Join(r.Dir, name), content)
}

func (r *repository) Commit(message string) string {
	r.t.Helper()
	r.When = r.When.Add(time.Hour)
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "--message", message)
	return r.Git("rev-parse", "HEAD")
}

// environ is without what a Git hook that runs the tests sets.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "GIT_") && !strings.HasPrefix(variable, "GIT_CONFIG_")
	})
}
