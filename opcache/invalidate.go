package opcache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/php"
)

// InvalidateResult tells what the cut-over did.
type InvalidateResult struct {
	Invalidated int            `json:"invalidated"`
	Failed      []FailedScript `json:"failed"`
	Last        time.Time      `json:"last"` // the moment after the last of it
	APCu        *APCu          `json:"apcu,omitempty"`
}

// RetireResult tells what was invalidated of releases that nobody uses.
type RetireResult struct {
	Invalidated int    `json:"invalidated"`
	Skipped     string `json:"skipped,omitempty"` // why nothing was retired
}

// Invalidate ends what OPcache serves under literal paths through the links:
// every script below the releases that they have left, by real path. Until its
// last invalidation all swept workers serve the old release by keys that are
// live, after it the new one. Where no literal path is looked at there is nothing
// to end, and the sweep, or the rename itself, was the cut-over.
//
// A key is never removed, and leads to its old script again once somebody
// compiles that (ZendAccelerator.c: zend_accel_add_key does nothing for a key that
// exists). Keys cannot be listed either. So nobody may be left below an old path,
// and it must not be used again: the caller sees to that.
func (s *Switch) Invalidate(ctx context.Context) (InvalidateResult, error) {
	result := InvalidateResult{Last: time.Now()}
	all, err := s.endLeft(ctx)
	for i, one := range s.Caches.Spaces() {
		result.Invalidated += all[i].Invalidated
		for _, path := range all[i].Failed {
			result.Failed = append(result.Failed, FailedScript{Path: one.ToHost(path), Reason: "opcache_invalidate() refused it"})
		}
		if all[i].Last.After(result.Last) {
			result.Last = all[i].Last
		}
	}
	if err == nil {
		result.APCu, err = s.clearAPCu(ctx)
		s.cleared = result.APCu != nil
	}
	return result, err
}

// endLeft invalidates, in every cache, what is live below the releases that links
// have left.
func (s *Switch) endLeft(ctx context.Context) ([]php.BelowResult, error) {
	return Each(ctx, s.Caches.Spaces(), func(ctx context.Context, one *KeySpace) (php.BelowResult, error) {
		var folders []string
		for release := range s.OldReleases() {
			folders = append(folders, one.ToPool(release))
		}
		if s.Addressing.Reuses() || len(folders) == 0 {
			return php.BelowResult{}, nil
		}
		ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.Timeouts.Call)
		defer cancel()
		return one.Agent().InvalidateBelow(ctx, folders)
	})
}

// regained takes back what the releases that were left have got again: a worker
// that was busy at the sweep, or a request from before, compiles it.
func (s *Switch) regained(ctx context.Context) (n int, err error) {
	all, err := s.endLeft(ctx)
	for _, answer := range all {
		n += answer.Invalidated
	}
	return n, err
}

// Retire invalidates what is left in the caches of folders that no link leads
// to any more, so that their bytes count as waste and PHP may reclaim them at
// its next restart. It does nothing unless Settle has proven that the last
// request on them has ended.
func (s *Switch) Retire(ctx context.Context, unused []string) (RetireResult, error) {
	if len(s.pinned) > 0 {
		return RetireResult{Skipped: "workers that persistent connections pin may still run it"}, nil
	}
	if !s.settled {
		return RetireResult{Skipped: "a request that began before the cut-over may still run on it"}, nil
	}
	return s.Caches.Retire(ctx, unused)
}

// Retire invalidates, in slices, all that the caches hold of folders that no
// request uses. Each cache is listed once: of many scripts that keeps a worker for long.
func (c *Caches) Retire(ctx context.Context, unused []string) (result RetireResult, err error) {
	all, err := Each(ctx, c.Spaces(), func(ctx context.Context, one *KeySpace) (invalidated int, err error) {
		if invalidated, err = c.retire(ctx, one, unused); err != nil {
			err = fmt.Errorf("retire %s: %w", strings.Join(unused, ", "), err)
		}
		return invalidated, err
	})
	for _, n := range all {
		result.Invalidated += n
	}
	return result, err
}

func (c *Caches) retire(ctx context.Context, one *KeySpace, unused []string) (invalidated int, err error) {
	scripts, err := c.liveScripts(ctx, one, unused...)
	if err != nil {
		return 0, err
	}
	paths := make([]string, len(scripts))
	for i, script := range scripts {
		paths[i] = script.Path
	}
	invalidated, _, err = c.InvalidateAll(ctx, one, paths)
	return invalidated, err
}

// ForgetBelow invalidates in every cache what it holds of a folder, but for the files that
// are to be kept. left are those that a cache has still.
func (c *Caches) ForgetBelow(ctx context.Context, folder string, keep func(name string) bool) (left []string, err error) {
	all, err := Each(ctx, c.Spaces(), func(ctx context.Context, one *KeySpace) (left []string, err error) {
		scripts, err := c.liveScripts(ctx, one, folder)
		if err != nil {
			return nil, err
		}
		var paths []string
		for _, script := range scripts {
			if name, below := strings.CutPrefix(one.ToHost(script.Path), folder+"/"); !below || !keep(name) {
				paths = append(paths, script.Path)
			}
		}
		_, left, err = c.InvalidateAll(ctx, one, paths)
		return left, err
	})
	return slices.Concat(all...), err
}

// FileCache tells whether one of the caches keeps scripts in files too, by their paths,
// where nobody can say which are of an earlier release.
func (c *Caches) FileCache(ctx context.Context) (bool, error) {
	all, err := c.configurations(ctx)
	return slices.ContainsFunc(all, func(one php.Configuration) bool { return one.FileCache != "" }), err
}

// InvalidateAll works through scripts in slices, with rests between. left are those that
// OPcache has refused.
func (c *Caches) InvalidateAll(ctx context.Context, one *KeySpace, scripts []string) (invalidated int, left []string, err error) {
	err = c.inSlices(ctx, one.Pools[0], scripts, func(ctx context.Context, rest []string, slice time.Duration) (next int, err error) {
		answer, err := one.Agent().Invalidate(ctx, rest, slice)
		invalidated, left = invalidated+answer.Invalidated, append(left, answer.Failed...)
		return answer.Next, err
	})
	return invalidated, left, err
}

// inSlices works through all by calls to a pool that tell where the next one begins, with
// rests between, so that it keeps its workers.
func (c *Caches) inSlices(ctx context.Context, pool *Pool, all []string, call func(ctx context.Context, rest []string, slice time.Duration) (next int, err error)) error {
	p := c.pacing()
	bounded := func() (int, error) {
		ctx, cancel := context.WithTimeout(ctx, c.Options.Timeouts.Call)
		defer cancel()
		return call(ctx, all, p.slice)
	}
	for len(all) > 0 {
		began := time.Now()
		next, err := bounded()
		if err != nil || next <= 0 || next >= len(all) {
			return err
		}
		all = all[next:]
		if err := p.rest(ctx, pool, time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}
