package probe

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Heard is what a site answered at its door.
type Heard struct {
	Door   Door
	Answer Answer
	Err    error // nil: it answered
}

const (
	parallel = 8
	patience = 10 * time.Second // for one site
)

// AskAll asks many sites, some at the same time. The answers are in the order of
// the doors.
func AskAll(ctx context.Context, doors []Door) []Heard {
	heard := make([]Heard, len(doors))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, door := range doors {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			heard[i].Door = door
			heard[i].Answer, heard[i].Err = door.Ask(ctx)
			return nil
		})
	}
	_ = group.Wait() // none fails: what went wrong stands beside its answer
	return heard
}

// InWebServer tells whether the PHP that answered runs inside of Apache (mod_php),
// so that no pool leads to it.
func (h Heard) InWebServer() bool { return h.Err == nil && h.Answer.SAPI == "apache2handler" }
