package app

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"relink/internal/hint"
)

// repository is a bare Git repository that is filled from work trees.
type repository struct {
	dir string
}

func newRepository(ctx context.Context, dir string) (repository, error) {
	r := repository{dir}
	return r, r.git(ctx, "", "init", "--quiet", "--bare", "--initial-branch=main", dir)
}

// commit makes tree the next commit on main and tags it.
func (r repository) commit(ctx context.Context, tree, tag string) error {
	if err := r.git(ctx, tree, "add", "--all", "--force", "."); err != nil {
		return err
	}
	if err := r.git(ctx, tree, "commit", "--quiet", "--message", "Release "+tag); err != nil {
		return err
	}
	return r.git(ctx, tree, "tag", tag)
}

func (r repository) git(ctx context.Context, tree string, args ...string) error {
	if tree != "" {
		args = append([]string{"--git-dir", r.dir, "--work-tree", tree}, args...)
	}
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = tree
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
