package probe

import (
	"context"
	"time"
)

// Heard is what a site answered at its door.
type Heard struct {
	Door   Door
	Answer Answer
	Err    error // nil: it answered
}

// InWebServer tells whether the PHP that answered runs inside of Apache (mod_php),
// so that no pool leads to it.
func (h Heard) InWebServer() bool { return h.Err == nil && h.Answer.SAPI == "apache2handler" }

const (
	// AtOnce is less than the workers of a small pool (Debian's www.conf has 5): the
	// visitors shall not wait for a thousand sites to be asked.
	AtOnce   = 4
	patience = 10 * time.Second // for one site
)

// AskAll asks many sites, as many at the same time. The answers are in the order of
// the doors. Each site has 10 s, and 64 KiB for its answer.
func AskAll(ctx context.Context, doors []Door, atOnce int) []Heard {
	heard := make([]Heard, len(doors))
	Over(len(doors), atOnce, dialHere, func(i int, by *Line) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		door := doors[i]
		answer, err := door.askBy(ctx, by.Client(door.URL, door.Host))
		heard[i] = Heard{door, answer, err}
	})
	return heard
}
