package opcache

import (
	"context"
	"sync"
)

// sweepRounds bounds the whole sweep in multiples of SweepWait, for a pool in
// which one short request follows the other.
const sweepRounds = 5

// Sweep has every worker of every pool drop its realpath cache, proven pid by
// pid. It is called after the links have moved. A worker inside a request that
// has lasted longer than SweepWait is left for Settle, so that one slow page
// does not delay the cut-over of all. Where the web server sends real paths the
// deploy does not call it: no worker has anything to forget.
func (s *Switch) Sweep(ctx context.Context) (SweepResult, error) {
	if s.idle() {
		return SweepResult{Pools: len(s.Caches.pools())}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sweepRounds*s.Caches.Options.SweepWait)
	defer cancel()
	result := SweepResult{Pools: len(s.Caches.pools())}
	var mu sync.Mutex
	err := s.Caches.eachPool(ctx, func(ctx context.Context, p *Pool) error {
		r := round{pool: p, except: s.pinned[p]}
		r.leave = func(w Process) bool {
			return w.InRequest() && w.Busy > s.Caches.Options.SweepWait && !(isHeld(w) && r.mayKnock())
		}
		out, err := r.run(ctx)
		mu.Lock()
		defer mu.Unlock()
		result.Workers += out.swept
		for _, w := range out.missing {
			result.Busy = append(result.Busy, w.worker(p.Address()))
		}
		if out.unproven {
			result.Unproven = append(result.Unproven, p.Address())
		}
		return err
	})
	return result, err
}

// Except names workers that cannot be reached and that nobody shall wait for.
func (s *Switch) Except(pinned []Worker) {
	for _, p := range s.Caches.pools() {
		for _, w := range pinned {
			if w.Pool != p.Address() {
				continue
			}
			if s.pinned[p] == nil {
				s.pinned[p] = map[int]bool{}
			}
			s.pinned[p][w.PID] = true
		}
	}
}

// anyPinned tells whether workers were left out (Except): nobody knows what those
// still run.
func (s *Switch) anyPinned() bool {
	for _, workers := range s.pinned {
		if len(workers) > 0 {
			return true
		}
	}
	return false
}
