package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"relink/deploy/source"
	"relink/internal/tree"
)

// checkout is one commit to be put at a path below the staging folder.
type checkout struct {
	cache  *repoCache
	commit string
	at     string // slash-separated; empty for the staging folder itself
	bytes  int64
	files  map[string]string // mode and id of each
}

func (c checkout) run(ctx context.Context, into string, progress func(files, of int64)) error {
	if err := c.cache.ensure(ctx, c.commit); err != nil { // it may have been made anew
		return err
	}
	target, err := c.target(into)
	if err != nil {
		return err
	}
	// Beside the staging folder and with its name, so that what a crash leaves
	// is cleaned away together with it. The cache has no index of its own.
	index, err := os.MkdirTemp(filepath.Dir(into), filepath.Base(into)+".index-")
	if err != nil {
		return err
	}
	err = c.readTree(ctx, target, filepath.Join(index, "index"), progress)
	if err != nil && ctx.Err() == nil {
		err = errors.Join(err, c.cache.check(ctx, "fsck", "--no-dangling", "--no-progress", c.commit))
	}
	return errors.Join(err, os.RemoveAll(index))
}

func (c checkout) readTree(ctx context.Context, target, index string, progress func(files, of int64)) error {
	_, err := runGit(ctx, command{
		// git-lfs, where a user has it, asks the remote for its server.
		options:  []string{"--git-dir=" + c.cache.dir, "--work-tree=" + target, "-c", "remote.origin.url=" + c.cache.url},
		args:     []string{"read-tree", "--reset", "-u", "-v", c.commit},
		env:      []string{"GIT_INDEX_FILE=" + index},
		dir:      target,
		secrets:  c.cache.secrets,
		progress: progress,
	})
	return err
}

// target is the folder to check out into. For a submodule it is the one that its
// parent's checkout made; a parent can also have made a link on the way, and a
// checkout through that would write anywhere (CVE-2018-11235 and its kin).
func (c checkout) target(into string) (string, error) {
	if c.at == "" {
		return into, nil
	}
	err := tree.With(into, func(root *os.Root) error {
		barrier, err := tree.Barrier(root, c.at)
		if err == nil && barrier != "" {
			err = fmt.Errorf("submodule %s: %w: %s is not a folder", c.at, source.ErrUnsafe, barrier)
		}
		return err
	})
	return filepath.Join(into, filepath.FromSlash(c.at)), err
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}
