package opcache

import (
	"context"

	"relink/fcgi"
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
	rounds, err := s.Caches.rounds(ctx, func(r *round) {
		r.except = s.outOfReach(r.pool)
		r.leave = func(w fcgi.Process) bool {
			return InRequest(w) && w.RequestDuration > s.Caches.Options.SweepWait && !(isHeld(w) && r.mayKnock())
		}
	})
	result := SweepResult{Pools: len(rounds)}
	for _, r := range rounds {
		result.Workers += r.out.swept
		for _, w := range r.out.missing {
			result.Busy = append(result.Busy, workerOf(r.pool, w))
		}
		if r.out.unproven {
			result.Unproven = append(result.Unproven, r.pool.Address())
		}
	}
	return result, err
}

// Except names workers that cannot be reached and that nobody shall wait for.
func (s *Switch) Except(pinned []Worker) { s.pinned = append(s.pinned, pinned...) }

func (s *Switch) outOfReach(p *Pool) map[int]bool {
	pids := map[int]bool{}
	for _, w := range s.pinned {
		pids[w.PID] = pids[w.PID] || w.Pool == p.Address()
	}
	return pids
}
