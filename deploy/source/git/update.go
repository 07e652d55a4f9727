package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/hint"
)

// update brings all branches and tags.
func (c *repoCache) update(ctx context.Context) error {
	if !c.usable() {
		return c.create(ctx)
	}
	if err := c.removeStaleLocks(); err != nil {
		return fmt.Errorf("git cache %s: %w", c.dir, err)
	}
	err := c.fetch(ctx, branchesAndTags...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	// Is it the repository or the cache? Only a repository that answers can
	// show that it is the cache.
	if _, probe := runGit(ctx, command{args: []string{"ls-remote", "--quiet", "--", c.url}, secrets: c.secrets}); probe != nil {
		return c.unreachable(err)
	}
	return c.create(ctx)
}

var branchesAndTags = []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}

func (c *repoCache) fetch(ctx context.Context, refspecs ...string) error {
	return c.fetchBy(ctx, nil, refspecs)
}

func (c *repoCache) fetchBy(ctx context.Context, options, refspecs []string) error {
	args := slices.Concat([]string{"fetch", "--prune", "--no-tags", "--no-recurse-submodules", "--update-shallow", "--force"}, options, []string{"--", c.url}, refspecs)
	_, err := c.git(ctx, args...)
	return err
}

// packing has a repository of this machine send all as it is. To look for deltas, where it
// is not packed, takes more than all else: of 23,500 loose objects the fetch took 12 s of
// CPU time so, 25 s else, as much as "git clone --depth 1".
func (c *repoCache) packing() []string {
	if _, local := localPath(c.url); !local {
		return nil
	}
	return []string{"--upload-pack=git -c pack.window=0 upload-pack"}
}

// create makes the cache in a temporary folder and renames it, so that a cache
// that exists is a complete one.
func (c *repoCache) create(ctx context.Context) error {
	parent, base := filepath.Split(c.dir)
	temporary, err := os.MkdirTemp(parent, base+".new-")
	if err != nil {
		return hint.Write(fmt.Errorf("git cache: %w", err), parent)
	}
	fresh := *c
	fresh.dir = temporary
	err = fresh.fill(ctx)
	if err == nil {
		err = os.RemoveAll(c.dir)
	}
	if err == nil {
		err = os.Rename(temporary, c.dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	return c.removeLeftovers(parent, base)
}

func (c *repoCache) fill(ctx context.Context) error {
	if _, err := runGit(ctx, command{args: []string{"init", "--quiet", "--bare", "--template=", "--", c.dir}}); err != nil {
		return err
	}
	if err := c.fetchBy(ctx, c.packing(), branchesAndTags); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return c.unreachable(err)
	}
	origin, err := c.origin()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, originFile), []byte(origin), 0o600)
}

// removeLeftovers removes what a killed relink left while it made a cache.
func (c *repoCache) removeLeftovers(parent, base string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return fmt.Errorf("git cache: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), base+".new-") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(parent, entry.Name())))
		}
	}
	return err
}

// removeStaleLocks removes the *.lock files of a git that was killed. Nobody
// else is in the cache: the caller holds its lock.
func (c *repoCache) removeStaleLocks() error {
	return filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == submoduleDir || len(entry.Name()) == 2 && filepath.Base(filepath.Dir(path)) == "objects") {
			return fs.SkipDir
		}
		if entry.Type().IsRegular() && strings.HasSuffix(path, ".lock") {
			return os.Remove(path)
		}
		return nil
	})
}
