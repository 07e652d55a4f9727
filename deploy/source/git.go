package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Git fetches commits with the system's git, through a bare cache that is kept
// beside the releases, so that a deploy transfers only what is new.
type Git struct {
	// Receive is told of a transfer that Resolve makes, in objects; may be nil.
	Receive func(done, total int64)

	url        string
	cacheDir   string
	submodules bool
}

// NewGit makes a source of the repository at url, which is anything that git
// fetches from. The folder cacheDir need not exist.
func NewGit(url, cacheDir string, submodules bool) *Git {
	return &Git{url: url, cacheDir: cacheDir, submodules: submodules}
}

var _ Source = (*Git)(nil)

// Resolve brings the cache up to date and finds the commit that ref names: a
// tag, a branch, or a commit id, full or abbreviated. A full id that the cache
// has needs no network; anything else is never answered from a cache that could
// not be brought up to date, because it may be stale. All that Fetch needs is
// in the cache afterwards, submodules too.
func (g *Git) Resolve(ctx context.Context, ref string) (Resolved, error) {
	if err := checkRef(ref); err != nil {
		return Resolved{}, err
	}
	cache := newGitCache(g.url, g.cacheDir, g.Receive)
	unlock, err := cache.lock(ctx)
	if err != nil {
		return Resolved{}, err
	}
	defer unlock()
	r, err := g.resolve(ctx, cache, ref)
	if err == nil || !isDamage(ctx, err) {
		return r, err
	}
	if err := cache.create(ctx); err != nil {
		return Resolved{}, err
	}
	return g.resolve(ctx, cache, ref)
}

// isDamage: nothing that git says of a commit which the cache claims to have may
// fail, unless an object is missing or cannot be read.
func isDamage(ctx context.Context, err error) bool {
	return errors.Is(err, ErrDamaged) && ctx.Err() == nil
}

func (g *Git) resolve(ctx context.Context, cache *gitCache, ref string) (Resolved, error) {
	found, err := find(ctx, cache, ref)
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{Source: cache.name(), Ref: ref, Commit: found.commit, Label: found.label(ref)}
	if found.note != "" {
		r.Notes = append(r.Notes, found.note)
	}
	if err := describe(ctx, cache, found, &r); err != nil {
		return Resolved{}, err
	}
	planner := &gitPlanner{git: g, lfs: lfsInstalled}
	if err := planner.add(ctx, cache, found.commit, ""); err != nil {
		return Resolved{}, err
	}
	r.Bytes, r.Inodes, r.Notes = planner.bytes, planner.inodes, append(r.Notes, planner.notes...)
	r.plan = planner.checkouts
	return r, nil
}

func find(ctx context.Context, cache *gitCache, ref string) (foundRef, error) {
	if id := strings.ToLower(ref); fullID.MatchString(id) {
		return foundRef{commit: id, kind: "commit"}, cache.ensure(ctx, id)
	}
	if err := cache.update(ctx); err != nil {
		return foundRef{}, err
	}
	return cache.lookUp(ctx, ref)
}

func describe(ctx context.Context, cache *gitCache, found foundRef, r *Resolved) error {
	out, err := cache.git(ctx, "log", "-1", "--no-show-signature", "--format=%ct%n%s", found.commit, "--")
	if err != nil {
		return cache.damaged(err)
	}
	stamp, subject, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return cache.damaged(fmt.Errorf("commit %s has the time %q", found.commit, stamp))
	}
	r.Time = time.Unix(seconds, 0).UTC()
	what := found.kind
	if found.kind != "commit" {
		what += " " + r.Label + ", commit"
	}
	r.Description = fmt.Sprintf("%s %s of %s: %s", what, found.commit[:shownCommit], r.Time.Format(time.DateOnly), printable(subject))
	return nil
}

// Fetch checks the commit and its submodules out. Attributes in the repository
// such as eol, and filters that the user has configured, apply as in any
// checkout; export-ignore does not.
func (g *Git) Fetch(ctx context.Context, r Resolved, into string, progress Progress) error {
	checkouts, ok := r.plan.([]checkout)
	if !ok {
		return fmt.Errorf("fetch %s: it was not resolved by this source", r.Ref)
	}
	cache := newGitCache(g.url, g.cacheDir, nil)
	unlock, err := cache.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	err = checkOutAll(ctx, checkouts, into, r.Bytes, progress)
	if err != nil && ctx.Err() == nil {
		err = repaired(ctx, checkouts, into, err, func() error { return checkOutAll(ctx, checkouts, into, r.Bytes, progress) })
	}
	if err != nil {
		return err
	}
	return finishCheckout(ctx, into, r.Time)
}
