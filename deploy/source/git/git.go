// Package git fetches releases from a git repository.
package git

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"relink/deploy/source"
	"relink/internal/ui"
)

// Source fetches commits with the system's git, through a bare cache that is kept
// beside the releases, so that a deploy transfers only what is new.
type Source struct {
	url        string
	cacheDir   string
	submodules bool
}

// New makes a source of the repository at url, which is anything that git fetches
// from. The folder cacheDir need not exist.
func New(url, cacheDir string, submodules bool) *Source {
	return &Source{url: url, cacheDir: cacheDir, submodules: submodules}
}

var _ source.Source = (*Source)(nil)

// Resolve brings the cache up to date and finds the commit that ref names: a
// tag, a branch, or a commit id, full or abbreviated. A full id that the cache
// has needs no network; anything else is never answered from a cache that could
// not be brought up to date, because it may be stale. All that Fetch needs is
// in the cache afterwards, submodules too. What git lists may take 16 MiB, and a release of
// more than 1,048,576 files, folders and links or of 16 GiB is source.ErrTooLarge. Only ctx
// bounds the time.
func (g *Source) Resolve(ctx context.Context, ref string) (r source.Resolved, err error) {
	if err := source.CheckRef(ref); err != nil {
		return source.Resolved{}, err
	}
	cache := newRepoCache(g.url, g.cacheDir)
	err = cache.use(ctx, func() error {
		r, err = g.resolve(ctx, cache, ref)
		return err
	})
	return r, err
}

func (g *Source) resolve(ctx context.Context, cache *repoCache, ref string) (source.Resolved, error) {
	found, err := find(ctx, cache, ref)
	if err != nil {
		return source.Resolved{}, err
	}
	r := source.Resolved{Source: cache.name(), Ref: ref, Commit: found.commit, Label: found.label(ref)}
	if found.note != "" {
		r.Notes = append(r.Notes, found.note)
	}
	if err := describe(ctx, cache, found, &r); err != nil {
		return source.Resolved{}, err
	}
	p := &planner{source: g, resolved: &r}
	if err := p.add(ctx, cache, found.commit, ""); err != nil {
		return source.Resolved{}, err
	}
	r.Fetcher = revision{cache: cache, checkouts: p.checkouts, bytes: r.Bytes, time: r.Time}
	return r, nil
}

func find(ctx context.Context, cache *repoCache, ref string) (foundRef, error) {
	if id := strings.ToLower(ref); isWholeID(id) {
		return foundRef{commit: id, kind: "commit"}, cache.ensure(ctx, id)
	}
	if err := cache.update(ctx); err != nil {
		return foundRef{}, err
	}
	return cache.lookUp(ctx, ref)
}

func describe(ctx context.Context, cache *repoCache, found foundRef, r *source.Resolved) error {
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
	r.Description = fmt.Sprintf("%s %s of %s: %s", what, found.commit[:shownCommit], r.Time.Format(time.DateOnly), ui.Printable(subject))
	return nil
}

// revision is a commit with its submodules.
type revision struct {
	cache     *repoCache
	checkouts []checkout
	bytes     int64
	time      time.Time
}

// Fetch checks the commit and its submodules out. Attributes in the repository
// such as eol, and filters that the user has configured, apply as in any
// checkout; export-ignore does not. Resolve has bounded the commit; only ctx bounds the
// time.
func (r revision) Fetch(ctx context.Context, into string, progress source.Progress) error {
	if err := r.cache.use(ctx, func() error { return r.checkOut(ctx, into, progress) }); err != nil {
		return err
	}
	return finishCheckout(ctx, into, r.time)
}

func (r revision) checkOut(ctx context.Context, into string, progress source.Progress) error {
	if err := empty(into); err != nil { // of what a damaged cache has brought
		return err
	}
	var before int64
	for _, c := range r.checkouts {
		err := c.run(ctx, into, func(files, of int64) { // git counts files
			progress.Report(before+int64(float64(c.bytes)*float64(files)/float64(max(of, 1))), r.bytes)
		})
		if err != nil {
			return fmt.Errorf("check out %s of %s: %w", c.commit[:shownCommit], c.cache.name(), err)
		}
		before += c.bytes
		progress.Report(before, r.bytes)
	}
	return nil
}
