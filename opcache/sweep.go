package opcache

import (
	"context"
	"time"

	"relink/fcgi"
)

// SweepResult tells which workers dropped their realpath cache.
type SweepResult struct {
	Pools   int      `json:"pools"`
	Workers int      `json:"workers"` // swept, proven by pid
	Busy    []Worker `json:"busy"`    // inside a long request: left for Settle
	// Unproven are pools whose workers cannot be listed, so that nobody knows
	// whether all were reached.
	Unproven []string `json:"unproven"`
}

// sweepRounds bounds the whole sweep in multiples of Timeouts.Sweep, for a pool in
// which one short request follows the other.
const sweepRounds = 5

// Sweep has every worker of every pool drop its realpath cache, proven pid by
// pid. It is called after the links have moved. A worker inside a request that
// has lasted longer than Timeouts.Sweep is left for Settle, so that one slow page
// does not delay the cut-over of all. Where the web server sends real paths the
// deploy does not call it: no worker has anything to forget.
func (s *Switch) Sweep(ctx context.Context) (SweepResult, error) {
	if s.idle() {
		return SweepResult{Pools: len(s.Caches.pools())}, nil
	}
	rounds, err := s.sweep(ctx, sweepRounds*s.Caches.Options.Timeouts.Sweep)
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
	s.busy = len(result.Busy)+len(result.Unproven) > 0
	return result, err
}

func (s *Switch) sweep(ctx context.Context, longest time.Duration) ([]*round, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return s.Caches.rounds(ctx, func(r *round) {
		r.except = s.outOfReach(r.pool)
		r.leave = func(w fcgi.Process) bool {
			return InRequest(w) && w.RequestDuration > s.Caches.Options.Timeouts.Sweep && !(isHeld(w) && r.mayKnock())
		}
	})
}

// Flight tells of the requests that began before every worker was asked.
type Flight struct {
	Busy     []Worker // that are in such a request, or may be
	Unproven []string // pools whose workers cannot be listed
	All      bool     // every worker was reached, and has dropped its realpath cache
}

// InFlight reaches every worker once. One that is not reached since a persistent
// connection keeps it is in no request. Processes of Apache, which tell nobody how long
// they are in theirs, it waits for.
func (c *Caches) InFlight(ctx context.Context) (Flight, error) {
	rounds, err := (&Switch{Caches: c}).sweep(ctx, c.Options.Timeouts.Settle)
	flight := Flight{All: true}
	for _, r := range rounds {
		for _, w := range r.out.missing {
			flight.All = false
			if !isHeld(w) {
				flight.Busy = append(flight.Busy, workerOf(r.pool, w))
			}
		}
		if r.out.unproven {
			flight.All = false
			flight.Unproven = append(flight.Unproven, r.pool.Address())
		}
	}
	return flight, err
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

const (
	// longRequest is the age at which a request counts as a long one: its worker
	// is busy, and says nothing about whether calls reach it.
	longRequest = 500 * time.Millisecond
	// pinnedWait is how long a worker may stay out of reach before it is judged, and
	// knockedWait where doors lead to its pool: one that is busy with visitors' requests
	// is met between two of them by chance.
	pinnedWait  = 2 * time.Second
	knockedWait = 10 * time.Second
	// pinnedCalls is how many calls for each worker must have been answered by
	// the others meanwhile. In a crowded pool chance alone keeps a call from a
	// worker for a while.
	pinnedCalls = 4
)

// Pinned finds the workers that persistent connections (Apache's
// enablereuse=on, nginx's fastcgi_keep_conn) keep to themselves: between its
// requests such a worker waits on its own connection and never takes another.
// Only the web server leads to it then; those that are named were reached neither
// by FastCGI nor through a door. It is asked before anything moves; where nothing is
// pinned it costs one call for each worker.
func (c *Caches) Pinned(ctx context.Context) ([]Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.Timeouts.Call)
	defer cancel()
	rounds, err := c.rounds(ctx, func(r *round) {
		began := time.Now()
		r.skip = r.pool.InWebServer() // a client's connection holds a process of Apache for MaxKeepAliveRequests or KeepAliveTimeout, never for good
		r.leave = func(w fcgi.Process) bool {
			wait := pinnedWait
			if len(r.knock.doors) > 0 {
				wait = knockedWait
			}
			return inLongRequest(w) || time.Since(began) > wait && r.calledEnough()
		}
	})
	var pinned []Worker
	for _, r := range rounds {
		for _, w := range r.out.missing {
			if !inLongRequest(w) && (r.calledEnough() || isHeld(w)) {
				pinned = append(pinned, workerOf(r.pool, w))
			}
		}
	}
	return pinned, err
}

// calledEnough tells that it is no chance if a worker has not answered.
func (r *round) calledEnough() bool {
	return r.answered >= pinnedCalls*len(r.alive) || r.knock.fruitless >= pinnedCalls
}

func inLongRequest(w fcgi.Process) bool {
	return w.State == fcgi.StateRunning && w.RequestDuration > longRequest
}

// isHeld tells whether a worker has a connection without a request on it, for longer
// than it takes to send one.
func isHeld(w fcgi.Process) bool {
	return w.State == fcgi.StateReadingHeaders && w.RequestDuration > longRequest
}
