package serve

import (
	"fmt"
	"sync"
	"time"
)

const (
	// minute is how fine the history on disk is.
	minute = time.Minute
	// keptPoints bounds what is kept of single looks: an hour at the usual interval.
	keptPoints = 720
)

// history is the points of the last looks, in memory, and those of minutes, on
// disk: a write for each look would have the disk work all day.
type history struct {
	store *store

	mu     sync.Mutex
	recent []Point // oldest first
	begun  *Point  // the minute that has not ended
}

// newHistory begins with the last hour on disk, so that lines over time outlive
// a restart of the service.
func newHistory(s *store) *history {
	now := time.Now()
	return &history{store: s, recent: s.between(now.Add(-time.Hour), now, minute)}
}

func (h *history) add(p Point) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent = append(h.recent, p)
	if len(h.recent) > keptPoints {
		h.recent = append([]Point{}, h.recent[1:]...)
	}
	ended := h.begun
	switch {
	case ended == nil:
		h.begun = &p
		return nil
	case ended.Time.Truncate(minute).Equal(p.Time.Truncate(minute)):
		joined := ended.join(p)
		h.begun = &joined
		return nil
	}
	h.begun = &p
	return h.store.put(*ended)
}

// flush writes the minute that has not ended, when the service does. The next
// run joins nothing to it: two points of one minute do no harm.
func (h *history) flush() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun == nil {
		return nil
	}
	last := *h.begun
	h.begun = nil
	return h.store.put(last)
}

// between gives what is known of a stretch of time, each point for one step.
func (h *history) between(since, until time.Time, step time.Duration) []Point {
	h.mu.Lock()
	recent, begun := h.recent, h.begun
	h.mu.Unlock()
	if len(recent) > 0 && !since.Before(recent[0].Time) {
		return thin(within(recent, since, until), step)
	}
	points := h.store.between(since, until, max(step, minute))
	if begun != nil {
		points = append(points, within([]Point{*begun}, since, until)...)
	}
	return thin(points, step)
}

func within(points []Point, since, until time.Time) []Point {
	var list []Point
	for _, p := range points {
		if !p.Time.Before(since) && !p.Time.After(until) {
			list = append(list, p)
		}
	}
	return list
}

// stretch is the time that an answer is about, in at most so many steps.
func stretch(since, until time.Time, points int) (step time.Duration, err error) {
	if !until.After(since) {
		return 0, fmt.Errorf("until (%s) must be later than since (%s)", until.Format(time.RFC3339), since.Format(time.RFC3339))
	}
	step = until.Sub(since) / time.Duration(points)
	return max(step.Truncate(time.Second)+time.Second, time.Second), nil
}
