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

// holding adds entries up. WindowHits and LastUsed are set in its report.
type holding struct {
	Holding
	pathBytes     int64 // of the live scripts' names
	window        int64
	windowUnknown bool
	lastUsed      time.Time
}

func (h *holding) add(e *entry) {
	s := e.script
	h.Hits += s.Hits
	h.window += max(e.window, 0)
	h.windowUnknown = h.windowUnknown || e.window < 0
	if s.LastUsed.After(h.lastUsed) {
		h.lastUsed = s.LastUsed
	}
	if !s.Live {
		h.DeadScripts++
		h.DeadBytes += s.Memory
		return
	}
	h.LiveScripts++
	h.LiveBytes += s.Memory
	h.pathBytes += int64(len(s.Path))
	if s.Hits == 0 {
		h.NeverBytes += s.Memory
	}
}

func (h *holding) report() Holding {
	out := h.Holding
	out.LastUsed = known(h.lastUsed)
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
