package opcache

import (
	"context"
	"sync"
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
	err := s.endLeft(ctx, func(one *KeySpace, answer php.BelowResult) {
		result.Invalidated += answer.Invalidated
		for _, path := range answer.Failed {
			result.Failed = append(result.Failed, FailedScript{Path: one.ToHost(path), Reason: "opcache_invalidate() refused it"})
		}
		if answer.Last.After(result.Last) {
			result.Last = answer.Last
		}
	})
	return result, err
}

// endLeft invalidates, in every cache, what is live below the releases that links
// have left. add is called for one cache at a time.
func (s *Switch) endLeft(ctx context.Context, add func(*KeySpace, php.BelowResult)) error {
	if s.Addressing.Reuses() {
		return nil
	}
	var mu sync.Mutex
	return s.Caches.EachSpace(ctx, func(ctx context.Context, _ int, one *KeySpace) error {
		folders := s.left(one)
		if len(folders) == 0 {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.CallTimeout)
		defer cancel()
		answer, err := one.Agent().InvalidateBelow(ctx, folders)
		mu.Lock()
		defer mu.Unlock()
		add(one, answer)
		return err
	})
}

// regained takes back what the releases that were left have got again: a worker
// that was busy at the sweep, or a request from before, compiles it.
func (s *Switch) regained(ctx context.Context) (n int, err error) {
	err = s.endLeft(ctx, func(_ *KeySpace, answer php.BelowResult) { n += answer.Invalidated })
	return n, err
}
