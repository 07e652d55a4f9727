package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// update is what one event tells: the elements that changed, and new points of
// the lines.
type update struct {
	Build   string    `json:"build"`
	Version string    `json:"version"`
	Patches []patch   `json:"patches"`
	Rates   ratesSent `json:"rates"`
}

// serveEvents streams updates (text/event-stream). A client that reads too slowly
// misses snapshots, and is dropped when it does not read at all; it then asks
// again by itself.
func (h *handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d pages are open already", h.limits.streams), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx in front would hold events back
	s := &stream{handler: h, w: w, control: http.NewResponseController(w)}
	s.run(r)
}

// stream is one open page.
type stream struct {
	*handler
	w       http.ResponseWriter
	control *http.ResponseController
	shown   *drawn     // what the client has; nil: not known
	rates   *ratesView // the lines that it has
}

func (s *stream) run(r *http.Request) {
	// A server's ReadTimeout goes on after the request has been read, and would
	// end this one. As below, who has no deadlines needs none.
	_ = s.control.SetReadDeadline(time.Time{})
	beat := time.NewTicker(s.limits.beat)
	defer beat.Stop()
	snapshot, newer := s.feed.Newest()
	for err := s.begin(r, snapshot); err == nil && newer != nil; {
		select {
		case <-newer:
			if snapshot, newer = s.feed.Newest(); newer != nil {
				err = s.show(snapshot)
			}
		case <-beat.C:
			err = s.beat()
		case <-r.Context().Done():
			return
		}
	}
}

// begin sends nothing of the page where the client has this very version, be it
// from the page itself or from an earlier stream.
func (s *stream) begin(r *http.Request, snapshot Snapshot) error {
	if now, err := s.drawn.of(snapshot); err == nil && r.URL.Query().Get("version") == now.version {
		s.shown = now
	}
	return s.show(snapshot)
}

func (s *stream) show(snapshot Snapshot) error {
	now, err := s.drawn.of(snapshot)
	if err != nil {
		return err
	}
	u := update{Build: build, Version: now.version, Patches: now.since(s.shown), Rates: now.rates.after(s.rates)}
	s.shown, s.rates = now, &now.rates
	return s.send("update", u)
}

// beat tells that the service lives, and how old what it shows is.
func (s *stream) beat() error {
	var age float64 // seconds
	if taken := s.shown.snapshot.Time; !taken.IsZero() {
		age = time.Since(taken).Seconds()
	}
	return s.send("beat", map[string]float64{"age": age})
}

func (s *stream) send(event string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	// A writer without deadlines, as in a test's recorder, cannot be slow either.
	_ = s.control.SetWriteDeadline(time.Now().Add(s.limits.write))
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, text); err != nil {
		return err
	}
	return s.control.Flush()
}

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
