package journal

import (
	"slices"
	"time"

	"relink/deploy/moves"
	"relink/internal/state"
)

// Past is a history, the newest event first, which is understood as far back as somebody
// asks: a deploy of 1,000 instances is 60 KB of it, and most of them came to where they are by
// one of the last ones.
type Past struct {
	known []Event
	older *state.End[Event]
}

// ReadPast reads at most the last 64 MiB of the file.
func ReadPast(file string) (*Past, error) {
	older, err := historyIn(file).End(maxRead)
	return &Past{older: older}, ofHistory(err)
}

// Add takes for true that this has happened, after all that is written.
func (p *Past) Add(event Event) { p.known = slices.Insert(p.known, 0, event) }

// event is the n-th from the end.
func (p *Past) event(n int) (Event, bool) {
	for n >= len(p.known) {
		event, more := p.older.Next()
		if !more {
			return event, false
		}
		p.known = append(p.known, event)
	}
	return p.known[n], true
}

// Before is where an instance came from when the deploy that brought it to its
// current release moved it. Rollbacks are passed over, so that the second
// rollback in a row goes one release further back and not forth again.
func (p *Past) Before(instance string, current moves.Target) (moves.Target, bool) {
	for i := 0; ; i++ {
		event, more := p.event(i)
		if !more {
			return moves.Target{}, false
		}
		if event.Operation != OperationDeploy || !event.Moved() {
			continue
		}
		for _, move := range event.Moves {
			if move.Instance == instance && move.To.Served() == current.Served() && move.Needed() && !move.Stays {
				return move.From, move.From.Exists()
			}
		}
	}
}

// Since is when an instance's link was last moved to where it leads now.
func (p *Past) Since(instance string, current moves.Target) time.Time {
	for i := 0; ; i++ {
		event, more := p.event(i)
		if !more {
			return time.Time{}
		}
		if !event.Moved() {
			continue
		}
		for _, move := range event.Moves {
			if move.Instance != instance || !move.Needed() || move.To.Real != current.Real || move.To.Release != current.Release {
				continue
			}
			if !move.Stays {
				return event.Time
			}
			current = move.From
		}
	}
}

// Names tells whether a link has ever led to a release, or was to.
func (p *Past) Names(release string) bool {
	for _, event := range p.known {
		for _, move := range event.Moves {
			if move.From.Release == release || move.To.Release == release {
				return true
			}
		}
	}
	return p.older.Has("release", release)
}

// WasOn tells whether an instance has ever come to a release, or left it.
func (p *Past) WasOn(instance, release string) bool {
	for i := 0; ; i++ {
		event, more := p.event(i)
		if !more {
			return false
		}
		for _, move := range event.Moves {
			if move.Instance == instance && (move.From.Release == release || move.To.Release == release) {
				return true
			}
		}
	}
}
