package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"

	"github.com/google/go-cmp/cmp"
)

func TestGitEnviron(t *testing.T) {
	given := []string{"HOME=/h", "GIT_DIR=/elsewhere", "GIT_WORK_TREE=/elsewhere", "GIT_INDEX_FILE=x", "GIT_CONFIG_COUNT=1", "SSH_ASKPASS=window"}
	env := gitEnviron(given)
	for _, want := range []string{"HOME=/h", "GIT_CONFIG_COUNT=1", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "LC_ALL=C",
		"GIT_SSH_COMMAND=ssh -o BatchMode=yes"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %q", want, env)
		}
	}
	if !slices.Contains(env, "SSH_ASKPASS=") {
		t.Errorf("a window may ask for a password: %q", env)
	}
	for _, variable := range env {
		if strings.HasSuffix(variable, "=/elsewhere") || strings.HasPrefix(variable, "GIT_INDEX_FILE=") {
			t.Errorf("%s is passed on", variable)
		}
	}
	for theirs, want := range map[string]string{"ssh:https:ext": "https:ssh", "": "", "ext": ""} {
		allowed := ""
		for _, variable := range gitEnviron([]string{"GIT_ALLOW_PROTOCOL=" + theirs}) { // the last one counts
			if value, ok := strings.CutPrefix(variable, "GIT_ALLOW_PROTOCOL="); ok {
				allowed = value
			}
		}
		if allowed != want {
			t.Errorf("with the transports %q allowed, git may use %q", theirs, allowed)
		}
	}
	for _, own := range []string{"GIT_SSH_COMMAND=mine", "GIT_SSH=mine"} {
		if env := gitEnviron([]string{own}); slices.Contains(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes") {
			t.Errorf("%s is overridden: %q", own, env)
		}
	}
}

func TestGitStderr(t *testing.T) {
	var got [][2]int64
	w := &stderrLog{progress: func(done, total int64) { got = append(got, [2]int64{done, total}) }}
	for _, text := range []string{
		"remote: Counting objects:  50% (1/2)\rremote: Counting objects: 100% (2/2), done.\nRecei", "ving objects:  33% (40/120), 1.20 MiB | 3.00 MiB/s\r",
		"Receiving objects: 100% (120/120), done.\nFrom /srv/git\n * [new branch] main -> main\n   1a2b3c4..5d6e7f8 x -> x\n",
		"Updating files:  66% (2/3)\rUpdating files: 100% (3/3), done.\n", "error: \x1b[31mcannot lock ref\x1b[0m\n", "fatal: the end",
	} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	if diff := cmp.Diff([][2]int64{{2, 3}, {3, 3}}, got); diff != "" {
		t.Error(diff)
	}
	if got, want := w.text(), "error: \\x1b[31mcannot lock ref\\x1b[0m; fatal: the end"; got != want {
		t.Errorf("the message is %q, want %q", got, want)
	}
}

// git asks for a helper of ours, which tells how nice it is.
func TestGitIsNice(t *testing.T) {
	newRepository(t, t.TempDir())
	out := filepath.Join(t.TempDir(), "nice")
	helper := filepath.Join(t.TempDir(), "ssh")
	// The helper waits until git's group has been slowed down, which is done
	// just after the start.
	sourcetest.WriteFile(t, helper, "#!/bin/sh\nn=0\nwhile [ $(nice) -lt 10 ] && [ $n -lt 100000 ]; do n=$((n+1)); done\nnice > '"+out+"'\nexit 1\n")
	if err := os.Chmod(helper, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH_COMMAND", helper)
	if _, err := runGit(t.Context(), command{args: []string{"ls-remote", "ssh://host.invalid/x"}}); err == nil {
		t.Error("the helper's failure is not git's")
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if nice, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || nice < niceness {
		t.Errorf("the helper ran at nice %q, %v", text, err)
	}
}

func TestGitIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := New("/srv/git/x.git", filepath.Join(t.TempDir(), "cache"), true).Resolve(t.Context(), "main")
	if err == nil {
		t.Fatal("there is no git")
	}
	sourcetest.WantHint(t, err, "apt-get install git")
}

func TestGitHints(t *testing.T) {
	c := newRepoCache("ssh://git@host/x.git", "/cache")
	for said, advice := range map[string]string{
		"fatal: detected dubious ownership in repository at '/srv/git/x.git'":          "safe.directory",
		"git@host: Permission denied (publickey).; fatal: Could not read from":         "deploy key",
		"Host key verification failed.":                                                "known_hosts",
		"fatal: could not read Username for 'https://host': terminal prompts disabled": "credential helper",
		"something else": "git ls-remote ssh://git@host/x.git",
	} {
		err := c.unreachable(errors.New(said))
		if !errors.Is(err, source.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
		sourcetest.WantHint(t, err, advice)
	}
}

func TestGitRepositoryOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can give a repository away")
		return
	}
	r, _, _ := history(t)
	err := filepath.WalkDir(r.Dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, 12345, 12345))
	})
	if err != nil {
		t.Fatal(err)
	}
	g := newTestGit(t, r)
	_, err = g.Resolve(t.Context(), "main")
	if !errors.Is(err, source.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	sourcetest.WantHint(t, err, "safe.directory '"+r.Dir+"/.git'")
	r.Git("config", "--global", "--add", "safe.directory", r.Dir+"/.git") // HOME is the test's own
	if _, err := g.Resolve(t.Context(), "main"); err != nil {
		t.Errorf("with what the hint says: %v", err)
	}
}
