package opcache

import (
	"context"
	"fmt"
	"sync"
)

// Retire invalidates what is left in the caches of folders that no link leads
// to any more, so that their bytes count as waste and PHP may reclaim them at
// its next restart. It does nothing unless Settle has proven that the last
// request on them has ended.
func (s *Switch) Retire(ctx context.Context, unused []string) (RetireResult, error) {
	if s.anyPinned() {
		return RetireResult{Skipped: "workers that persistent connections pin may still run it"}, nil
	}
	if !s.settled {
		return RetireResult{Skipped: "a request that began before the cut-over may still run on it"}, nil
	}
	return s.Caches.Retire(ctx, unused)
}

// Retire invalidates, in slices, all that the caches hold of folders that no
// request uses.
func (c *Caches) Retire(ctx context.Context, unused []string) (RetireResult, error) {
	var result RetireResult
	var mu sync.Mutex
	err := c.EachSpace(ctx, func(ctx context.Context, _ int, one *KeySpace) error {
		for _, root := range unused {
			n, err := c.retire(ctx, one, root)
			mu.Lock()
			result.Invalidated += n
			mu.Unlock()
			if err != nil {
				return fmt.Errorf("retire %s: %w", root, err)
			}
		}
		return nil
	})
	return result, err
}

func (c *Caches) retire(ctx context.Context, one *KeySpace, root string) (invalidated int, err error) {
	scripts, err := c.liveScripts(ctx, one, root)
	if err != nil {
		return 0, err
	}
	paths := make([]string, len(scripts))
	for i, script := range scripts {
		paths[i] = script.Path
	}
	return c.InvalidateAll(ctx, one, paths)
}

// InvalidateAll works through scripts in slices, with rests between.
func (c *Caches) InvalidateAll(ctx context.Context, one *KeySpace, scripts []string) (invalidated int, err error) {
	for len(scripts) > 0 {
		n, next, err := c.invalidateSlice(ctx, one, scripts)
		invalidated += n
		if err != nil || next <= 0 || next >= len(scripts) {
			return invalidated, err
		}
		scripts = scripts[next:]
		if Wait(ctx, c.Options.WarmPause); ctx.Err() != nil {
			return invalidated, ctx.Err()
		}
	}
	return invalidated, nil
}

func (c *Caches) invalidateSlice(ctx context.Context, one *KeySpace, scripts []string) (invalidated, next int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.CallTimeout)
	defer cancel()
	answer, err := one.Agent().Invalidate(ctx, scripts, c.Options.WarmSlice)
	return answer.Invalidated, answer.Next, err
}
