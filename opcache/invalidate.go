package opcache

import (
	"context"
	"time"

	"relink/php"
)

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
		ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.CallTimeout)
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
