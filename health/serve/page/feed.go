package page

import "sync"

// Feed hands the newest snapshot to all who wait for it. Its zero value is ready.
type Feed struct {
	mu     sync.Mutex
	last   Snapshot
	closed bool
	next   chan struct{} // nil: nobody waits
}

// Newest is the newest snapshot, and a channel that is closed when it no longer is; nil
// once the feed has ended. Who is slow misses all but the newest.
func (f *Feed) Newest() (Snapshot, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil && !f.closed {
		f.next = make(chan struct{})
	}
	return f.last, f.next
}

// Publish never waits for anybody.
func (f *Feed) Publish(s Snapshot) {
	f.change(func() { f.last = s })
}

// Close wakes all who wait, so that a server can shut down.
func (f *Feed) Close() {
	f.change(func() { f.closed = true })
}

func (f *Feed) change(to func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to()
	if f.next != nil {
		close(f.next)
		f.next = nil
	}
}
