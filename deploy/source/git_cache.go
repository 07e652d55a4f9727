package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"relink/internal/hint"

	"github.com/gofrs/flock"
)

const (
	cacheLockRetry = 100 * time.Millisecond
	// originFile holds the digest of the address that a cache was made from.
	originFile = "relink-origin"
)

// gitCache is a bare copy of one repository. Everything in it can be fetched
// again, so that damage is answered by making it anew.
type gitCache struct {
	url     string
	dir     string
	secrets []string
	receive func(done, total int64) // objects of a transfer; may be nil
}

func newGitCache(url, dir string, receive func(done, total int64)) *gitCache {
	return &gitCache{url: url, dir: dir, secrets: secrets(url), receive: receive}
}

// name is the address as messages show it.
func (c *gitCache) name() string { return mask(c.url) }

func (c *gitCache) git(ctx context.Context, args ...string) ([]byte, error) {
	return runGit(ctx, gitCommand{args: append([]string{"--git-dir=" + c.dir}, args...), secrets: c.secrets})
}

// lock keeps a second relink, such as a dry run, out of the cache: the locks
// that git leaves when it is killed can then be told to be stale.
func (c *gitCache) lock(ctx context.Context) (unlock func(), err error) {
	if err := makeParent(c.dir); err != nil {
		return nil, err
	}
	l := flock.New(c.dir + ".lock")
	if _, err := l.TryLockContext(ctx, cacheLockRetry); err != nil {
		return nil, hint.With(fmt.Errorf("git cache %s: lock: %w", c.dir, err), "wait for the other relink that uses the cache")
	}
	return func() { l.Close() }, nil
}

func (c *gitCache) digest() string {
	sum := sha256.Sum256([]byte(c.url))
	return hex.EncodeToString(sum[:])
}

// usable tells whether the folder is a complete cache of this repository: the
// origin is written last.
func (c *gitCache) usable() bool {
	origin, err := os.ReadFile(filepath.Join(c.dir, originFile))
	return err == nil && string(origin) == c.digest()
}

// has tells whether the commit is in the cache.
func (c *gitCache) has(ctx context.Context, id string) bool {
	if !c.usable() {
		return false
	}
	_, err := c.git(ctx, "cat-file", "-e", id+"^{commit}")
	return err == nil
}

// ensure brings a commit that is known by its full id. One that is there needs no
// network; one that no branch or tag reaches is asked for by its id.
func (c *gitCache) ensure(ctx context.Context, id string) error {
	if c.has(ctx, id) {
		return nil
	}
	if err := c.update(ctx); err != nil {
		return err
	}
	if c.has(ctx, id) {
		return nil
	}
	if err := c.fetch(ctx, c.dir, id); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if damage := c.check(ctx, "rev-list", "--objects", "--quiet", "--all"); damage != nil {
			return damage
		}
		return hint.With(fmt.Errorf("commit %s in %s: %w: no branch or tag holds it, and asking for it gave: %w", id, c.name(), ErrUnknownRef, err),
			"push the commit to the repository")
	}
	if !c.has(ctx, id) {
		return fmt.Errorf("%s in %s: %w: it is not a commit", id, c.name(), ErrUnknownRef)
	}
	return nil
}

// check runs a git command that reads the cache; if it fails, the cache is damaged.
func (c *gitCache) check(ctx context.Context, args ...string) error {
	if _, err := c.git(ctx, args...); err != nil {
		return c.damaged(err)
	}
	return nil
}

func (c *gitCache) damaged(err error) error {
	return hint.With(fmt.Errorf("git cache %s: %w: %w", c.dir, ErrDamaged, err), "remove %s: it will be made anew", c.dir)
}

func makeParent(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("git cache: %w", err)
	}
	return nil
}
