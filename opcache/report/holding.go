package report

import (
	"time"

	"relink/php"
)

// entry is one script with where it belongs.
type entry struct {
	script  *php.Script
	release *release // nil: of none
	master  int
	window  int64 // hits in the window; unknown if negative
}

const unknownHits = -1

// holding adds entries up.
type holding struct {
	live, dead                       int64
	liveBytes, deadBytes, neverBytes int64
	hits, window                     int64
	pathBytes                        int64 // of the live scripts' names
	windowUnknown                    bool
	lastUsed                         time.Time
}

func (h *holding) add(e *entry) {
	s := e.script
	h.hits += s.Hits
	h.addWindow(e.window)
	if s.LastUsed.After(h.lastUsed) {
		h.lastUsed = s.LastUsed
	}
	if !s.Live {
		h.dead++
		h.deadBytes += s.Memory
		return
	}
	h.live++
	h.liveBytes += s.Memory
	h.pathBytes += int64(len(s.Path))
	if s.Hits == 0 {
		h.neverBytes += s.Memory
	}
}

func (h *holding) addWindow(hits int64) {
	if hits < 0 {
		h.windowUnknown = true
		return
	}
	h.window += hits
}

func (h *holding) plus(o *holding) {
	h.live += o.live
	h.dead += o.dead
	h.liveBytes += o.liveBytes
	h.deadBytes += o.deadBytes
	h.neverBytes += o.neverBytes
	h.pathBytes += o.pathBytes
	h.hits += o.hits
	h.window += o.window
	h.windowUnknown = h.windowUnknown || o.windowUnknown
	if o.lastUsed.After(h.lastUsed) {
		h.lastUsed = o.lastUsed
	}
}

func (h *holding) report() Holding {
	out := Holding{
		LiveScripts: h.live, DeadScripts: h.dead,
		LiveBytes: h.liveBytes, DeadBytes: h.deadBytes, NeverBytes: h.neverBytes,
		Hits: h.hits, LastUsed: known(h.lastUsed),
	}
	if !h.windowUnknown {
		out.WindowHits = &h.window
	}
	return out
}

// known gives a time in UTC, nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
