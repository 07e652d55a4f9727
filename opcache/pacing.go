package opcache

import (
	"context"
	"slices"
	"time"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/pace"
)

const (
	// leastSlice is the work of one request while the server is full: it keeps a worker
	// and a core from the visitors for no longer.
	leastSlice = 20 * time.Millisecond
	// restful is how much longer than its work the rest after it is then.
	restful = 4
	// fullPatience is how long work waits, in all, while every worker of its pool is busy:
	// some pools always are.
	fullPatience = 10 * time.Second
)

// pacing is that of requests in which a pool works for relink: how long each may work,
// and how long it rests after that, so that visitors find workers and cores.
type pacing struct {
	config.Warm
	gently   bool
	slice    time.Duration
	patience time.Duration
	pressure pace.Pressure
}

func (c *Caches) pacing() *pacing {
	p := &pacing{Warm: c.Options.Warm, gently: c.Options.Gently, slice: c.Options.Warm.Slice, patience: fullPatience, pressure: pace.Look()}
	if p.gently {
		p.slice = min(leastSlice, p.Slice)
	}
	return p
}

// after is the rest that follows a request which took a time, in which it may have waited
// for a worker too. Slices become longer for as long as nobody else waits for a CPU.
func (p *pacing) after(took time.Duration, crowded bool) (rest time.Duration) {
	switch {
	case !p.gently || p.Slice == 0:
		return p.Pause
	case crowded:
		worked := min(took, p.slice)
		p.slice = min(leastSlice, p.Slice)
		return max(p.Pause, restful*worked)
	}
	rest = time.Duration(float64(p.Pause) * float64(p.slice) / float64(p.Slice))
	p.slice = min(2*p.slice, p.Slice)
	return rest
}

// rest follows a request to a pool. It tells why ctx has ended.
func (p *pacing) rest(ctx context.Context, pool *Pool, took time.Duration) error {
	_ = pace.Wait(ctx, p.after(took, p.pressure.Crowded()))
	for began := time.Now(); p.gently && p.patience > 0 && ctx.Err() == nil && pool.full(ctx); began = time.Now() {
		_ = pace.Wait(ctx, lastPause)
		p.patience -= time.Since(began)
	}
	p.pressure = pace.Look()
	return ctx.Err()
}

// full tells whether visitors wait for a worker of the pool, or the next one would, as
// relink does where none answers the status page in time. Without a page nobody knows.
func (p *Pool) full(ctx context.Context) bool {
	if p.InWebServer() || p.StatusPath() == "" || p.Agent.Detoured() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	status, err := fcgi.Status(ctx, p.Pool.Address, p.StatusPath())
	switch {
	case err != nil:
		return ctx.Err() != nil
	case status.ListenQueue > 0: // which is 0 for a Unix socket, always
		return true
	}
	idle := slices.ContainsFunc(status.Processes, func(w fcgi.Process) bool { return w.State == fcgi.StateIdle })
	return !idle && len(status.Processes) > 1 // one of pm = ondemand may be the only one, which has answered
}
