package opcache

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// askAgain is how often Settle looks for scripts that the old release has
	// regained while a stale worker is still inside its request.
	askAgain = 250 * time.Millisecond
	// shareOfTime keeps that look below a twentieth of the time where there are
	// very many links and scripts.
	shareOfTime = 20
	// lastLooks bounds the looks after the last worker has been reached. One is
	// enough, for nobody can create an old key any more; the next proves it.
	lastLooks = 3
)

// Settle finishes what Sweep left. A worker that was inside a request keeps its
// old realpaths, and the next page that it serves can bring an old key back for
// all workers. So each worker that lives at the cut-over has to answer once
// more after it; what the old releases regained meanwhile is invalidated again.
// When Settle reports nobody stale, every request that began before the
// cut-over has ended.
func (s *Switch) Settle(ctx context.Context, progress Progress) (SettleResult, error) {
	watched, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	regained := make([]int, len(s.views))
	for i, v := range s.views {
		watch.Go(func() { regained[i] = s.watch(watched, v) })
	}
	result, err := s.sweepAgain(ctx, progress)
	stop()
	watch.Wait()
	for _, n := range regained {
		result.Regained += n
	}
	if err != nil {
		return result, err
	}
	if err := s.lastLook(ctx, &result); err != nil {
		return result, err
	}
	s.settled = len(result.Stale) == 0 && len(result.Unproven) == 0
	return result, nil
}

// sweepAgain reaches every worker of every pool once more.
func (s *Switch) sweepAgain(ctx context.Context, progress Progress) (SettleResult, error) {
	bounded, cancel := context.WithTimeout(ctx, s.caches.options.SettleTimeout)
	defer cancel()
	var result SettleResult
	var mu sync.Mutex
	reached := newTally(progress)
	err := s.caches.eachPool(bounded, func(bounded context.Context, p *pool) error {
		r := round{pool: p, except: s.pinned[p], progress: reached.of(p), heard: s.hear}
		out, err := r.run(bounded)
		mu.Lock()
		defer mu.Unlock()
		result.Workers += out.swept
		for _, w := range out.missing {
			result.Stale = append(result.Stale, w.worker(p.address()))
		}
		if out.unproven {
			result.Unproven = append(result.Unproven, p.address())
		}
		return err
	})
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	return result, err
}

// watch invalidates what comes back while stale workers are still busy. Its
// failures are left to the last look, which reports them.
func (s *Switch) watch(ctx context.Context, v *view) (regained int) {
	for pause := askAgain; ; {
		wait(ctx, pause)
		if ctx.Err() != nil {
			return regained
		}
		began := time.Now()
		n, _, err := s.regained(ctx, v)
		if err == nil {
			regained += n
		}
		pause = max(askAgain, shareOfTime*time.Since(began))
	}
}

func (s *Switch) lastLook(ctx context.Context, result *SettleResult) error {
	var mu sync.Mutex
	return s.caches.eachCache(ctx, func(ctx context.Context, i int, _ *cache) error {
		for looks := 1; ; looks++ {
			n, astray, err := s.regained(ctx, s.views[i])
			mu.Lock()
			result.Regained += n
			mu.Unlock()
			if err != nil {
				return err
			}
			if n > 0 && looks < lastLooks {
				continue
			}
			rekeyed, left, err := s.misled(ctx, s.views[i])
			if err != nil {
				return err
			}
			for _, key := range left {
				astray = append(astray, key.Path)
			}
			slices.Sort(astray)
			mu.Lock()
			defer mu.Unlock()
			result.Regained += rekeyed
			result.Astray = append(result.Astray, slices.Compact(astray)...)
			for _, l := range s.unknown(s.views[i], true) {
				result.Unknown = append(result.Unknown, l.Name)
			}
			return nil
		}
	})
}

// tally adds up the progress of several pools.
type tally struct {
	progress Progress
	mu       sync.Mutex
	done     map[*pool]int
	total    map[*pool]int
}

func newTally(progress Progress) *tally {
	return &tally{progress: progress, done: map[*pool]int{}, total: map[*pool]int{}}
}

func (t *tally) of(p *pool) func(done, total int) {
	return func(done, total int) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.done[p], t.total[p] = done, total
		sumDone, sumTotal := 0, 0
		for q := range t.total {
			sumDone += t.done[q]
			sumTotal += t.total[q]
		}
		t.progress.report(sumDone, sumTotal)
	}
}
