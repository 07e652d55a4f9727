package opcache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"relink/fcgi"
	"relink/internal/hedge"
	"relink/php/apache"
	"relink/php/fpm"
)

// Worker is a PHP-FPM worker process and what it is doing.
type Worker struct {
	Pool    string        `json:"pool"` // address
	PID     int           `json:"pid"`
	Request string        `json:"request,omitempty"` // "GET /export.php", when the status page tells
	Busy    time.Duration `json:"-"`                 // how long it has been inside that request
	Ends    bool          `json:"ends,omitempty"`    // it serves no page after that request
	Hidden  bool          `json:"hidden,omitempty"`  // this machine does not show its master: the pid may be one of a container
}

// errUnlisted means that a pool's workers cannot be listed at all.
var errUnlisted = errors.New("the pool's workers cannot be listed")

// InRequest tells whether the listing showed the worker inside a request. A
// worker that only the process table shows may be anywhere.
func InRequest(w fcgi.Process) bool { return w.State != "" && w.State != fcgi.StateIdle }

// sameWorker tells a worker from a later one with the same pid, as far as the listings
// know when it was started: the process table does not.
func sameWorker(w, later fcgi.Process) bool {
	return w.PID == later.PID && (w.StartTime.IsZero() || later.StartTime.IsZero() || w.StartTime.Equal(later.StartTime))
}

// isLeaving tells whether it is a process of Apache that has been replaced, and ends
// with its connection. Of no other is told what it does.
func isLeaving(p *Pool, w fcgi.Process) bool { return p.InWebServer() && w.State == fcgi.StateRunning }

func workerOf(p *Pool, w fcgi.Process) Worker {
	return Worker{Pool: p.Address(), PID: w.PID, Request: RequestOf(w), Busy: w.RequestDuration}
}

// RequestOf names the request that a worker is in, or was in last; "" where nobody tells.
func RequestOf(w fcgi.Process) string {
	if w.URI == "" || w.Method == "-" {
		return ""
	}
	return w.Method + " " + w.URI
}

// look tells which workers the pool has now, from its status page or, where
// there is none, from this host's process table.
func (p *Pool) look(ctx context.Context) (workers []fcgi.Process, err error) {
	if p.InWebServer() {
		workers, err = p.fromWebServer(ctx)
		p.last.Store(&workers)
		return workers, err
	}
	if p.StatusPath() != "" {
		workers, err = p.FromScoreboard(ctx)
		switch {
		case err == nil:
			p.last.Store(&workers)
			return workers, nil
		case errors.Is(err, fcgi.ErrNoStatusPage):
			p.blind.Store(true)
		case !p.Agent.Detoured() || ctx.Err() != nil:
			return nil, fmt.Errorf("list the workers: %w", err)
		}
	}
	workers, err = p.fromProcessTable(ctx)
	p.last.Store(&workers)
	return workers, err
}

// listPatience is how long the status page may take before a worker is asked for
// the same through a door: where all are pinned the page never answers.
const (
	listPatience = 250 * time.Millisecond
	listLimit    = 3 * time.Second // for both, before the process table is read
)

// FromScoreboard lists the workers by the status page or, where none is free to
// answer it, by a worker that a door leads to. Where there are doors it takes 3 s at most.
func (p *Pool) FromScoreboard(ctx context.Context) ([]fcgi.Process, error) {
	page := StatusPage(p.Pool.Address, p.StatusPath())
	if p.doors == nil {
		return page(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, listLimit)
	defer cancel()
	ways := hedge.Pair[[]fcgi.Process]{First: page, Second: p.siblings, Patience: listPatience}
	if p.Agent.Detoured() {
		ways.First, ways.Second, ways.AfterFailure = p.siblings, page, true
	}
	workers, _, err := ways.Ask(ctx)
	return workers, err
}

// StatusPage lists the workers by the status page, which may have 16 MiB.
func StatusPage(address fcgi.Address, path string) func(context.Context) ([]fcgi.Process, error) {
	return func(ctx context.Context) ([]fcgi.Process, error) {
		status, err := fcgi.Status(ctx, address, path)
		return status.Processes, err
	}
}

// siblings asks a worker of the pool for the others.
func (p *Pool) siblings(ctx context.Context) ([]fcgi.Process, error) {
	door, err := p.Door(ctx)
	if err != nil {
		return nil, err
	}
	workers, by, err := p.direct.ThroughDoor(door).Siblings(ctx)
	if err == nil && !p.Own(ctx, by) {
		err = fmt.Errorf("%w: process %d has answered through %s", errElsewhere, by.PID, door)
	}
	// It is in the call for this list, and in nothing else.
	for i := range workers {
		if workers[i].PID == by.PID {
			workers[i].State, workers[i].RequestDuration = fcgi.StateIdle, 0
		}
	}
	return workers, err
}

// fromWebServer lists the processes of the web server that PHP runs in.
func (p *Pool) fromWebServer(ctx context.Context) ([]fcgi.Process, error) {
	if p.master == 0 || p.Threads {
		return nil, errUnlisted
	}
	one, err := p.Agent.Ping(ctx)
	if err != nil {
		return nil, err
	}
	all, err := apache.ProcessesBeside(ctx, one.PID, one.ParentPID)
	if err != nil {
		return nil, fmt.Errorf("list the workers: %w", err)
	}
	workers := byPID(all.Workers)
	for _, pid := range all.Finishing {
		// No call reaches it, and nobody knows how long it has been so.
		workers = append(workers, fcgi.Process{PID: pid, State: fcgi.StateRunning, RequestDuration: time.Minute})
	}
	return workers, nil
}

// fromProcessTable finds the pool by one of its workers, because the title of a
// worker names its pool and nothing else links an address to it.
func (p *Pool) fromProcessTable(ctx context.Context) ([]fcgi.Process, error) {
	if p.master == 0 {
		return nil, errUnlisted
	}
	one, err := p.Agent.Ping(ctx)
	if err != nil {
		return nil, err
	}
	pools, err := fpm.Workers(ctx, p.master)
	if err != nil {
		return nil, fmt.Errorf("list the workers of master %d: %w", p.master, err)
	}
	for _, pids := range pools {
		if slices.Contains(pids, one.PID) {
			return byPID(pids), nil
		}
	}
	return nil, errUnlisted
}

func byPID(pids []int) []fcgi.Process {
	workers := make([]fcgi.Process, len(pids))
	for i, pid := range pids {
		workers[i].PID = pid
	}
	return workers
}

// Workers is how many the smallest of the pools has, 0 where none has been listed yet.
func (c *Caches) Workers() int {
	fewest := 0
	for _, p := range c.pools() {
		if n := len(p.LastListing()); n > 0 && (fewest == 0 || n < fewest) {
			fewest = n
		}
	}
	return fewest
}

func (p *Pool) StatusPath() string {
	if p.blind.Load() {
		return ""
	}
	return p.Pool.StatusPath
}

// LastListing is what was known before the pool stopped answering.
func (p *Pool) LastListing() []fcgi.Process { return *p.last.Load() }
