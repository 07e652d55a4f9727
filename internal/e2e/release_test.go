//go:build packages

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// clone is a copy of this work tree with a history of its own, to release.
type clone struct {
	t   *testing.T
	dir string
}

func newClone(t *testing.T) clone {
	t.Helper()
	c := clone{t, filepath.Join(t.TempDir(), "relink")}
	// What git knows of the work tree, also what is not committed yet.
	copied := `cd ../.. && mkdir "$0" && git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - --ignore-failed-read | tar --extract --directory "$0"`
	if out, err := exec.Command("sh", "-c", copied, c.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.git("init", "--quiet", "--initial-branch=main")
	c.commit("all")
	return c
}

func (c clone) git(args ...string) string {
	c.t.Helper()
	args = append([]string{"-C", c.dir, "-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (c clone) commit(message string) {
	c.t.Helper()
	c.git("add", "--all", "--force")
	c.git("commit", "--quiet", "-m", message)
}

// change replaces text in a file.
func (c clone) change(name, old, with string) {
	c.t.Helper()
	file := filepath.Join(c.dir, name)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), old) {
		c.t.Fatalf("%s: %v, %q", name, err, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c clone) release(version string) (string, error) {
	c.t.Helper()
	command := exec.Command("make", "--no-print-directory", "release", "VERSION="+version)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org")
	out, err := command.CombinedOutput()
	return string(out), err
}

// refused wants that a release is refused for a reason, and has changed nothing.
func (c clone) refused(version, why string) {
	c.t.Helper()
	before := c.git("rev-parse", "HEAD") + c.git("tag") + c.git("status", "--porcelain")
	out, err := c.release(version)
	if err == nil || !strings.Contains(out, why) || !strings.Contains(out, "nothing was changed") {
		c.t.Errorf("%q: %v, want %q:\n%s", version, err, why, out)
	}
	if after := c.git("rev-parse", "HEAD") + c.git("tag") + c.git("status", "--porcelain"); after != before {
		c.t.Errorf("%q has changed the clone:\n%s\n%s", version, before, after)
	}
}

// A release is made of what is in order, and of nothing else.
func TestRelease(t *testing.T) {
	t.Parallel()
	c := newClone(t)
	for _, version := range []string{"", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-"} {
		c.refused(version, "is no version")
	}
	c.change("README.md", "relink", "Relink")
	c.refused("0.1.0", "not committed")
	c.git("checkout", "--quiet", ".")

	c.git("tag", "v0.2.0")
	c.refused("0.2.0", "the tag v0.2.0 exists")
	c.refused("0.1.0", "0.1.0 is not newer than 0.2.0")
	c.refused("0.2.0-rc.1", "0.2.0-rc.1 is not newer than 0.2.0")
	c.git("tag", "--delete", "v0.2.0")

	c.change("CHANGELOG.md", "## Unreleased", "## Earlier")
	c.commit("no Unreleased")
	c.refused("0.1.0", `no "## Unreleased"`)
	c.change("CHANGELOG.md", "## Earlier", "## Unreleased\n\n## Earlier")
	c.commit("an empty Unreleased")
	c.refused("0.1.0", `nothing under "## Unreleased"`)
	c.git("reset", "--quiet", "--hard", "HEAD~2")

	c.change("docs/schemas/prune.json", "sizes", "weights")
	c.commit("a schema of something else")
	c.refused("0.1.0", "not of this tree")
	c.git("reset", "--quiet", "--hard", "HEAD~1")
	c.change("docs/configuration.md", "`min_free`", "`minimum`")
	c.commit("a manual of something else")
	c.refused("0.1.0", "not of this tree")
	c.git("reset", "--quiet", "--hard", "HEAD~1")

	if out, err := c.release("0.1.0"); err != nil || !strings.Contains(out, "tagged v0.1.0") {
		t.Fatalf("%v\n%s", err, out)
	}
	if head := c.git("rev-parse", "HEAD"); head != c.git("rev-parse", "v0.1.0^{commit}") || c.git("status", "--porcelain") != "" {
		t.Error("the tag is not what is checked out")
	}
	changelog, err := os.ReadFile(filepath.Join(c.dir, "CHANGELOG.md"))
	if want := "\n## 0.1.0 - " + time.Now().UTC().Format(time.DateOnly) + "\n"; err != nil || !strings.Contains(string(changelog), want) || strings.Contains(string(changelog), "Unreleased") {
		t.Errorf("no %q in\n%.400s", want, changelog)
	}
	c.refused("0.1.1", `no "## Unreleased"`)

	// What is built of it says so.
	program := filepath.Join(t.TempDir(), "relink")
	build := exec.Command("go", "build", "-buildvcs=true", "-o", program, ".")
	build.Dir = c.dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(program, "--version").Output()
	form := regexp.MustCompile(`^relink version 0\.1\.0 \(commit ` + c.git("rev-parse", "--short=12", "HEAD") + ` of 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, go1\.\S+\)\n$`)
	if err != nil || !form.Match(out) {
		t.Errorf("%v, %q", err, out)
	}
}
