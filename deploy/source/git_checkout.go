package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// checkout is one commit to be put at a path below the staging folder.
type checkout struct {
	cache  *gitCache
	commit string
	at     string // slash-separated; empty for the staging folder itself
	bytes  int64
}

func (c checkout) run(ctx context.Context, into string, meter *checkoutMeter) error {
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
	err = c.readTree(ctx, target, filepath.Join(index, "index"), meter)
	meter.end(c.bytes)
	return errors.Join(err, os.RemoveAll(index))
}

func (c checkout) readTree(ctx context.Context, target, index string, meter *checkoutMeter) error {
	_, err := runGit(ctx, gitCommand{
		args: []string{"--git-dir=" + c.cache.dir, "--work-tree=" + target,
			// git-lfs, where a user has it, asks the remote for its server.
			"-c", "remote.origin.url=" + c.cache.url, "-c", "filter.lfs.required=true",
			"read-tree", "--reset", "-u", "-v", c.commit},
		env:     []string{"GIT_INDEX_FILE=" + index},
		dir:     target,
		secrets: c.cache.secrets,
		percent: func(done, total int64) { meter.part(c.bytes, done, total) },
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
	root, err := os.OpenRoot(into)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for dir := c.at; dir != "."; dir = path.Dir(dir) {
		info, err := root.Lstat(dir)
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			return "", fmt.Errorf("submodule %s: %w: %s is not a folder", c.at, ErrUnsafe, dir)
		}
	}
	return filepath.Join(into, filepath.FromSlash(c.at)), nil
}

// checkoutMeter turns git's count of files into bytes, over several checkouts.
type checkoutMeter struct {
	before, total int64
	progress      Progress
}

func (m *checkoutMeter) part(bytes, done, of int64) {
	if of > 0 {
		m.progress.report(m.before+int64(float64(bytes)*float64(done)/float64(of)), m.total)
	}
}

func (m *checkoutMeter) end(bytes int64) {
	m.before += bytes
	m.progress.report(m.before, m.total)
}

func checkOutAll(ctx context.Context, checkouts []checkout, into string, total int64, progress Progress) error {
	meter := &checkoutMeter{total: total, progress: progress}
	for _, c := range checkouts {
		if err := c.run(ctx, into, meter); err != nil {
			return fmt.Errorf("check out %s of %s: %w", c.commit[:shownCommit], c.cache.name(), err)
		}
	}
	return nil
}

// repaired looks whether a checkout failed because of its cache. If so it makes
// the damaged caches anew and tries again; if not it returns failed.
func repaired(ctx context.Context, checkouts []checkout, into string, failed error, again func() error) error {
	damaged := 0
	for _, c := range checkouts {
		if c.cache.check(ctx, "fsck", "--no-dangling", "--no-progress", c.commit) == nil {
			continue
		}
		damaged++
		if err := c.cache.renew(ctx, c.commit); err != nil {
			return errors.Join(failed, err)
		}
	}
	if damaged == 0 {
		return failed
	}
	if err := empty(into); err != nil {
		return errors.Join(failed, err)
	}
	return again()
}

// renew makes a damaged cache anew.
func (c *gitCache) renew(ctx context.Context, commit string) error {
	if err := makeParent(c.dir); err != nil {
		return err
	}
	if err := c.create(ctx); err != nil {
		return err
	}
	return c.ensure(ctx, commit)
}

func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}
