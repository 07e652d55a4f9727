package opcache

import (
	"context"
	"sync"
	"time"

	"relink/php"
)

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
