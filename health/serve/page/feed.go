package page

import (
	"context"
	"sync"
)

// Feed hands the newest snapshot to all who subscribe. Its zero value is ready.
type Feed struct {
	mu          sync.Mutex
	last        Snapshot
	closed      bool
	subscribers map[chan Snapshot]bool
}

// Snapshot is the newest one.
func (f *Feed) Snapshot() Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Publish never waits for a subscriber.
func (f *Feed) Publish(s Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = s
	for channel := range f.subscribers {
		select {
		case <-channel: // what its reader has not seen yet is outdated
		default:
		}
		channel <- s
	}
}

// Subscribe gives every snapshot from now on; a reader that is slow misses
// all but the newest. The channel is closed when ctx or the feed ends.
func (f *Feed) Subscribe(ctx context.Context) <-chan Snapshot {
	channel := make(chan Snapshot, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		close(channel)
		return channel
	}
	if f.subscribers == nil {
		f.subscribers = map[chan Snapshot]bool{}
	}
	f.subscribers[channel] = true
	context.AfterFunc(ctx, func() { f.unsubscribe(channel) })
	return channel
}

func (f *Feed) unsubscribe(channel chan Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subscribers[channel] {
		delete(f.subscribers, channel)
		close(channel)
	}
}

// Close ends every subscription, so that a server can shut down.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for channel := range f.subscribers {
		delete(f.subscribers, channel)
		close(channel)
	}
}
