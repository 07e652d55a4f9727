package opcache

import (
	"context"
	"time"

	"relink/fcgi"
)

const (
	// longRequest is the age at which a request counts as a long one: its worker
	// is busy, and says nothing about whether calls reach it.
	longRequest = 500 * time.Millisecond
	// pinnedWait is how long a worker may stay out of reach before it is judged.
	pinnedWait = 2 * time.Second
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
	ctx, cancel := context.WithTimeout(ctx, c.Options.CallTimeout)
	defer cancel()
	rounds, err := c.rounds(ctx, func(r *round) {
		began := time.Now()
		r.skip = r.pool.InWebServer() // a client's connection holds a process of Apache for MaxKeepAliveRequests or KeepAliveTimeout, never for good
		r.leave = func(w fcgi.Process) bool {
			return inLongRequest(w) || time.Since(began) > pinnedWait && r.calledEnough()
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
