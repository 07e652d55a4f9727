package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"relink/deploy/source"
	"relink/internal/bounded"
	"relink/internal/hint"
	"relink/internal/trust"
	"relink/internal/ui"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

const (
	lockRetry = 100 * time.Millisecond
	// originFile holds the digest of the address that a cache was made from.
	originFile = "relink-origin"
)

var errForeign = errors.New("another user has made it, or may write in it")

// repoCache is a bare copy of one repository. Everything in it can be fetched
// again, so that damage is answered by making it anew.
type repoCache struct {
	url     string
	dir     string
	secrets []string
}

func newRepoCache(url, dir string) *repoCache {
	return &repoCache{url: url, dir: dir, secrets: secrets(url)}
}

// name is the address as messages show it.
func (c *repoCache) name() string { return ui.Mask(c.url) }

func (c *repoCache) git(ctx context.Context, args ...string) ([]byte, error) {
	return runGit(ctx, command{options: []string{"--git-dir=" + c.dir}, args: args, secrets: c.secrets})
}

func (c *repoCache) notLocked(err error) error {
	err = fmt.Errorf("git cache %s: lock: %w", c.dir, err)
	if errors.Is(err, fs.ErrPermission) {
		return hint.With(err, "the cache lies beside the releases: let this user write %s, or give the releases a folder of their own there, which this user owns", filepath.Dir(c.dir))
	}
	return hint.With(err, "wait for the other relink that uses the cache")
}

// use runs work with the cache locked. Nothing that git says of a commit which the
// cache claims to have may fail, unless an object is missing or cannot be read: the
// cache, with those of submodules in it, is then made anew, and work runs once more.
//
// The lock keeps a second relink, such as a dry run, out of the cache: the locks
// that git leaves when it is killed can then be told to be stale.
func (c *repoCache) use(ctx context.Context, work func() error) error {
	if err := errors.Join(c.makeParent(), c.ours()); err != nil {
		return err
	}
	// Not through a link: whoever may make names beside the cache could have any file
	// created, or any lock held.
	lock := flock.New(c.dir+".lock", flock.SetFlag(os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return c.notLocked(err)
	}
	defer lock.Close()
	err := work()
	if !errors.Is(err, source.ErrDamaged) || ctx.Err() != nil {
		return err
	}
	if err := c.create(ctx); err != nil {
		return err
	}
	return work()
}

// ours refuses a cache that another user has made, or could write: git runs what
// its configuration says (filters, commands for transports), as whoever deploys, and
// --git-dir switches off git's own question of whose a repository is.
func (c *repoCache) ours() error {
	info, err := os.Lstat(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("git cache: %w", err)
	}
	if info.Mode()&fs.ModeSymlink != 0 || !trust.Owned(info) || trust.WritableByOthers(info) {
		return hint.With(fmt.Errorf("git cache %s: %w", c.dir, errForeign), "remove it (rm -rf %s): it will be made anew; and let nobody else write in the folder that it lies in", c.dir)
	}
	return nil
}

// mostConfig bounds what is read of the cache's own configuration, which is of some lines.
const mostConfig = 1 << 20

// origin is a digest of the address and of the cache's own configuration, which git
// wrote and which nobody has reason to change: what is configured there (filters,
// helpers for credentials, other addresses) git would run as whoever deploys.
func (c *repoCache) origin() (string, error) {
	config, err := bounded.File(filepath.Join(c.dir, "config"), mostConfig)
	sum := sha256.Sum256(append([]byte(c.url+"\x00"), config...))
	return hex.EncodeToString(sum[:]), err
}

// usable tells whether the folder is a complete cache of this repository, as relink
// has made it: the origin is written last, and no attributes are there that name
// filters ("git init" with no template makes no such folder).
func (c *repoCache) usable() bool {
	written, err := bounded.File(filepath.Join(c.dir, originFile), mostConfig)
	if err != nil {
		return false
	}
	origin, err := c.origin()
	_, attributes := os.Lstat(filepath.Join(c.dir, "info", "attributes"))
	return err == nil && string(written) == origin && errors.Is(attributes, fs.ErrNotExist)
}

// has tells whether the commit is in the cache.
func (c *repoCache) has(ctx context.Context, id string) bool {
	if !c.usable() {
		return false
	}
	_, err := c.git(ctx, "cat-file", "-e", id+"^{commit}")
	return err == nil
}

// ensure brings a commit that is known by its full id. One that is there needs no
// network; one that no branch or tag reaches is asked for by its id.
func (c *repoCache) ensure(ctx context.Context, id string) error {
	if c.has(ctx, id) {
		return nil
	}
	if err := c.makeParent(); err != nil {
		return err
	}
	if err := c.update(ctx); err != nil {
		return err
	}
	if c.has(ctx, id) {
		return nil
	}
	if err := c.fetch(ctx, id); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if damage := c.check(ctx, "rev-list", "--objects", "--quiet", "--all"); damage != nil {
			return damage
		}
		return hint.With(fmt.Errorf("commit %s in %s: %w: no branch or tag holds it, and asking for it gave: %w", id, c.name(), source.ErrUnknownRef, err),
			"push the commit to the repository")
	}
	if !c.has(ctx, id) {
		return fmt.Errorf("%s in %s: %w: it is not a commit", id, c.name(), source.ErrUnknownRef)
	}
	return nil
}

// check runs a git command that reads the cache; if it fails, the cache is damaged.
func (c *repoCache) check(ctx context.Context, args ...string) error {
	if _, err := c.git(ctx, args...); err != nil {
		return c.damaged(err)
	}
	return nil
}

func (c *repoCache) damaged(err error) error {
	return hint.With(fmt.Errorf("git cache %s: %w: %w", c.dir, source.ErrDamaged, err), "remove %s: it will be made anew", c.dir)
}

func (c *repoCache) makeParent() error {
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		return fmt.Errorf("git cache: %w", err)
	}
	return nil
}
