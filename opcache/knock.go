package opcache

import (
	"context"
	"slices"
	"sync"
	"time"

	"relink/fcgi"
	"relink/php"
	"relink/php/probe"
)

const (
	// maxKnocks bounds the calls through doors that one pool is given at a time.
	maxKnocks = 128
	// knockLimit bounds one of them: the web server may have opened a connection of
	// its own for it, which a pool with all workers pinned never takes.
	knockLimit = 2 * time.Second
	// firstHold and lastHold bound how long a worker takes for its answer.
	firstHold = 5 * time.Millisecond
	lastHold  = 80 * time.Millisecond
	// burstPatience is how long a burst waits for calls that may not be answered.
	burstPatience = 100 * time.Millisecond
	// inSeries is how many series there are at a time: a second one is there when a
	// call of the first waits for a worker that takes none.
	inSeries = 2
)

// knocking is how a round calls through doors. The web server gives a request the
// connection that was used last, so that calls one after another reach the same idle
// worker. As many as there are workers, each held for a moment, reach all whose
// connections belong to the same process of the web server; the next ones may meet
// another process. But where visitors come one after the other, a worker is idle for
// a moment only, and its connection is then the one that was used last: some call of a
// long series comes in it.
type knocking struct {
	doors     []probe.Door
	bursts    int
	series    bool // each answer is followed by the next call
	hold      time.Duration
	fruitless int // bursts in a row that have reached nobody new
}

// mayKnock tells whether doors may still lead to workers that FastCGI does not reach.
func (r *round) mayKnock() bool { return r.pool.doors != nil && r.knock.fruitless < pinnedCalls }

// worthKnocking is how many calls through doors may reach missing workers now: none
// as long as FastCGI reaches them, and none for those that are inside of long requests.
func (r *round) worthKnocking(ctx context.Context, missing []fcgi.Process, again bool) int {
	held := slices.ContainsFunc(missing, func(w fcgi.Process) bool { return w.State == fcgi.StateReadingHeaders })
	n := reachable(missing)
	if r.pool.doors == nil || !again && !held || n == 0 {
		return 0
	}
	if r.knock.doors = r.pool.leading(ctx, r.knock.fruitless > 1); len(r.knock.doors) == 0 {
		return 0
	}
	return min(max(n<<min(r.knock.fruitless, 8), 2), len(r.alive), maxKnocks)
}

// knockAt makes n calls through doors: by turns through all of them, in series, and
// through one.
func (r *round) knockAt(n int) {
	k := &r.knock
	k.series = false
	if n == 0 {
		return
	}
	turn, burst := k.bursts%3, k.bursts/3
	k.bursts++
	k.series, k.hold = turn == 1, min(firstHold<<min(k.fruitless, 8), lastHold)
	if k.series {
		n, k.hold = min(n, inSeries), 0
	}
	k.fruitless++ // until somebody new answers
	for i := range min(n, 2*len(r.alive)-r.calls.through) {
		if turn == 2 {
			i = burst
		}
		r.knockOnce(i)
	}
}

// knockOnce begins a call through a door.
func (r *round) knockOnce(door int) {
	k := &r.knock
	at, hold, limit := k.doors[door%len(k.doors)], k.hold, knockLimit
	if k.series {
		limit = burstPatience
	}
	r.calls.begin(true, func(ctx context.Context) (php.Worker, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return r.pool.knockAt(ctx, at, hold)
	})
}

// knockAt has the worker that a door leads to drop its realpath cache. One of another
// pool is not taken for it.
func (p *Pool) knockAt(ctx context.Context, door probe.Door, hold time.Duration) (php.Worker, error) {
	worker, err := p.direct.ThroughDoor(door).SweepAndHold(ctx, hold)
	if err == nil && !p.Own(ctx, worker) {
		err = errElsewhere
	}
	return worker, err
}

// patience bounds a burst where calls may wait for ever. Without doors there is
// nothing else to try, and it ends with the calls.
func (r *round) patience() <-chan time.Time {
	if r.pool.doors == nil {
		return nil
	}
	return time.After(burstPatience + r.knock.hold)
}

// calls are those of a round that are under way. One that nobody answers, because
// all workers are pinned, is left waiting: its answer counts whenever it comes.
type calls struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	replies chan reply
	direct  int // waiting for FastCGI
	through int // waiting for a door
}

type reply struct {
	worker  php.Worker
	err     error
	through bool // it came through a door
}

func newCalls(ctx context.Context) *calls {
	c := &calls{replies: make(chan reply)}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

func (c *calls) begin(through bool, call func(context.Context) (php.Worker, error)) {
	*c.count(through)++
	c.running.Go(func() {
		worker, err := call(c.ctx)
		select {
		case c.replies <- reply{worker, err, through}:
		case <-c.ctx.Done():
		}
	})
}

func (c *calls) count(through bool) *int {
	if through {
		return &c.through
	}
	return &c.direct
}

// next waits for an answer; false where none comes before the round ends, or late.
func (c *calls) next(late <-chan time.Time) (reply, bool) {
	select {
	case r := <-c.replies:
		*c.count(r.through)--
		return r, true
	case <-late:
	case <-c.ctx.Done():
	}
	return reply{}, false
}

// end gives up what is still waiting.
func (c *calls) end() {
	c.cancel()
	c.running.Wait()
}
