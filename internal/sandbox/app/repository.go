package app

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"relink/internal/hint"
)

// tags are those of the two releases.
var tags = []string{"v1", "v2"}

// commitReleases makes a bare Git repository in dir: each release, a folder of trees
// that is named like its tag, is a commit on main.
func commitReleases(ctx context.Context, trees, dir string) error {
	if err := git(ctx, "init", "--quiet", "--bare", "--initial-branch=main", dir); err != nil {
		return err
	}
	for _, tag := range tags {
		tree := filepath.Join(trees, tag)
		for _, args := range [][]string{{"add", "--all", "--force", "."}, {"commit", "--quiet", "--message", "Release " + tag}, {"tag", tag}} {
			if err := git(ctx, slices.Concat([]string{"-C", tree, "--git-dir", dir, "--work-tree", tree}, args)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	// The caller's configuration (signing, hooks, line ends) must not get into
	// it, and fixed dates give the same commits on every machine.
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=relink", "GIT_AUTHOR_EMAIL=relink@localhost", "GIT_AUTHOR_DATE=2024-01-01T00:00:00Z",
		"GIT_COMMITTER_NAME=relink", "GIT_COMMITTER_EMAIL=relink@localhost", "GIT_COMMITTER_DATE=2024-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return hint.With(fmt.Errorf("git %s: %w: %s", args[len(args)-1], err, out), "install git if it is missing")
	}
	return nil
}
