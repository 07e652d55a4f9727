package opcache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"relink/fcgi"
	"relink/internal/pace"
	"relink/php"
)

const (
	// maxBurst bounds the connections that one pool is given at a time.
	maxBurst = 32
	// firstPause and lastPause bound how often a pool is asked again while none
	// of the missing workers can be reached.
	firstPause = 2 * time.Millisecond
	lastPause  = 50 * time.Millisecond
	blindPause = 400 * time.Millisecond // where nobody knows whether they can be
	// maxFailures is how many bursts in a row may fail: a worker that ends at
	// pm.max_requests can take a call with it.
	maxFailures = 3
)

// round is one attempt to have every worker of a pool answer the agent once.
//
// A worker that answers has, by that, ended every request that it began before,
// and the agent has dropped its realpath cache. Idle workers sit in accept()
// and are woken in turn, so that a burst of calls mostly reaches different
// ones; but only the pids that come back count. A worker that a connection of
// the web server pins is reached through that web server, if at all.
type round struct {
	pool     *Pool
	skip     bool                    // no worker of the pool is called
	except   map[int]bool            // never waited for: workers that are out of reach
	leave    func(fcgi.Process) bool // a missing worker that is not waited for; nil: none
	progress Progress

	alive map[int]fcgi.Process // the workers of the first listing that still live
	swept map[int]bool
	calls *calls
	knock knocking

	answered int // calls that were answered, by whomever

	out outcome
}

// rounds makes a round of every pool, at the same time, as prepare wants it.
func (c *Caches) rounds(ctx context.Context, prepare func(*round)) ([]*round, error) {
	return Each(ctx, c.pools(), func(ctx context.Context, p *Pool) (*round, error) {
		r := &round{pool: p}
		if prepare(r); r.skip {
			return r, nil
		}
		var err error
		r.out, err = r.run(ctx)
		return r, err
	})
}

// outcome is what a round came to.
type outcome struct {
	swept    int
	missing  []fcgi.Process
	unproven bool
}

// run ends when every worker has answered or may be left, or with ctx. A ctx
// that ends is no error: what is missing then is in the outcome.
func (r *round) run(ctx context.Context) (outcome, error) {
	r.swept, r.calls = map[int]bool{}, newCalls(ctx)
	defer r.calls.end()
	var workers []fcgi.Process
	var err error
	var listing sync.WaitGroup
	before := max(len(r.pool.LastListing()), 1)
	listing.Go(func() { workers, err = r.pool.look(ctx) })
	_, sweepErr := r.burst(ctx, before, 0)
	listing.Wait()
	r.track(workers)
	switch {
	case errors.Is(err, errUnlisted):
		return r.unlisted(ctx, sweepErr)
	case err != nil && ctx.Err() == nil && !errors.Is(err, fcgi.ErrTimeout):
		return outcome{}, err
	case err != nil:
		// Every worker is busy, so that nobody answers for the pool.
		r.track(r.pool.LastListing())
	}
	if len(r.alive) == 0 && err != nil {
		return outcome{swept: len(r.swept), unproven: true}, nil
	}
	return r.finish(ctx)
}

func (r *round) finish(ctx context.Context) (outcome, error) {
	pause, failures, again := firstPause, 0, false
	for {
		missing := r.missing()
		r.progress.report(len(r.alive)-len(missing), len(r.alive))
		if len(missing) == 0 || r.mayLeave(missing) || ctx.Err() != nil {
			return outcome{swept: len(r.swept), missing: missing}, nil
		}
		news, err := r.burst(ctx, r.worthCalling(missing, again), r.worthKnocking(ctx, missing, again))
		if again = !news; news {
			pause, failures = firstPause, 0
			continue
		}
		if err != nil && ctx.Err() == nil {
			if failures++; failures == maxFailures {
				return outcome{}, err
			}
		}
		_ = pace.Wait(ctx, pause) // the next round tells the end of ctx
		pause = pauseAfter(pause, missing)
		if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
			return outcome{}, err
		}
	}
}

func (r *round) track(workers []fcgi.Process) {
	r.alive = make(map[int]fcgi.Process, len(workers))
	for _, w := range workers {
		if !r.except[w.PID] {
			r.alive[w.PID] = w
		}
	}
}

// unlisted calls until three bursts in a row have reached nobody new. That is
// likely every worker, but nobody can prove it.
func (r *round) unlisted(ctx context.Context, err error) (outcome, error) {
	if err == nil {
		err = untilNoNews(3, func() (news bool, err error) {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			return r.burst(ctx, 2*max(len(r.swept), 1), 0)
		})
	}
	if err != nil && ctx.Err() == nil {
		return outcome{}, err
	}
	return outcome{swept: len(r.swept), unproven: true}, nil
}

// untilNoNews asks until so many times in a row there were no news.
func untilNoNews(times int, ask func() (news bool, err error)) error {
	for quiet := 0; quiet < times; quiet++ {
		news, err := ask()
		if err != nil {
			return err
		}
		if news {
			quiet = -1
		}
	}
	return nil
}

// burst makes n calls at a time, beside them some through doors, and tells whether
// a worker answered that had not before. A call that fails while others succeed is
// a worker that ended (pm.max_requests): the next listing shows it. What a door
// answers is no failure: that the pool can be called is not known by it.
func (r *round) burst(ctx context.Context, n, throughDoors int) (news bool, err error) {
	r.begin(min(n, maxBurst))
	r.knockAt(throughDoors)
	late := r.patience()
	succeeded := 0
	for r.waiting() && !r.done() {
		got, ok := r.calls.next(late)
		switch {
		case !ok:
			return news, nil
		case got.err == nil:
			succeeded++
			news = r.count(got.worker) || news
			if got.through && r.knock.series {
				r.knockOnce(r.answered)
			}
		case !got.through:
			err = got.err
		}
	}
	if succeeded > 0 {
		err = nil
	}
	return news, err
}

// waiting tells whether answers are to be expected: by FastCGI none, where it has
// brought none for long.
func (r *round) waiting() bool {
	return r.calls.through > 0 || r.calls.direct > 0 && !r.pool.Agent.Detoured()
}

// begin adds calls by FastCGI up to n. Those of before that still wait stand in the
// queue of a pool that takes none; further ones would only make it longer.
func (r *round) begin(n int) {
	if r.pool.Agent.Detoured() {
		n = min(n, 1)
	}
	for range n - r.calls.direct {
		r.calls.begin(false, r.pool.direct.Sweep)
	}
}

// count notes who has answered.
func (r *round) count(w php.Worker) bool {
	r.answered++
	if r.swept[w.PID] {
		return false
	}
	r.swept[w.PID], r.knock.fruitless = true, 0
	return true
}

// done tells that nothing is waited for. Without doors no call is given up.
func (r *round) done() bool {
	return r.pool.doors != nil && r.alive != nil && len(r.missing()) == 0
}

// refresh drops the workers that have ended, and learns what the others do now.
func (r *round) refresh(ctx context.Context) error {
	workers, err := r.pool.look(ctx)
	if err != nil {
		return err
	}
	now := make(map[int]fcgi.Process, len(workers))
	for _, w := range workers {
		now[w.PID] = w
	}
	for pid, before := range r.alive {
		if later, lives := now[pid]; lives && sameWorker(before, later) {
			r.alive[pid] = later
		} else {
			delete(r.alive, pid)
		}
	}
	return nil
}

func (r *round) missing() []fcgi.Process {
	var missing []fcgi.Process
	for pid, w := range r.alive {
		if !r.swept[pid] {
			missing = append(missing, w)
		}
	}
	return missing
}

func (r *round) mayLeave(missing []fcgi.Process) bool {
	return r.leave != nil && !slices.ContainsFunc(missing, func(w fcgi.Process) bool { return !r.leave(w) })
}

// worthCalling is how many calls may reach the missing workers now. After a burst that
// brought nothing a call for every worker goes once around all that are idle: with fewer,
// the calls and the listing between them could go past the same worker again and again.
func (r *round) worthCalling(missing []fcgi.Process, again bool) int {
	n := reachable(missing)
	if n > 0 && again {
		return len(r.alive)
	}
	return n
}

// reachable is how many workers may answer now. One that has been running a script for
// long does not, whoever asks; one that began a moment ago may, for most requests are
// short.
func reachable(workers []fcgi.Process) (n int) {
	for _, w := range workers {
		if w.State != fcgi.StateRunning || w.RequestDuration < lastPause {
			n++
		}
	}
	return n
}

// pauseAfter follows a pause that has brought nothing. Processes of which nobody tells what
// they do, as of Apache's, may all be inside of long requests: each look at them is a call
// for every one that is not, so that it is made less and less often.
func pauseAfter(pause time.Duration, missing []fcgi.Process) time.Duration {
	if slices.ContainsFunc(missing, func(w fcgi.Process) bool { return w.State == "" }) {
		return min(2*pause, blindPause)
	}
	return min(2*pause, lastPause)
}
