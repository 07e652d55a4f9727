package probe

import (
	"context"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
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
	// perConnection is how many sites are asked over one connection: a new one for each
	// costs twice the time, and by one for all an Apache with mod_php answers by the same
	// process each time.
	perConnection = 10
)

// AskAll asks many sites, as many at the same time. The answers are in the order of
// the doors. Each site has 10 s, and 64 KiB for its answer.
func AskAll(ctx context.Context, doors []Door, atOnce int) []Heard {
	heard := make([]Heard, len(doors))
	lines := make(chan *line, atOnce)
	for range atOnce {
		lines <- newLine()
	}
	var group errgroup.Group
	for i, door := range doors {
		by := <-lines
		group.Go(func() error {
			heard[i] = by.ask(ctx, door)
			lines <- by
			return nil
		})
	}
	_ = group.Wait() // none fails: what went wrong stands beside its answer
	for range atOnce {
		(<-lines).end()
	}
	return heard
}

// line asks one site after the other, over a connection that it keeps for a while.
type line struct {
	way   *http.Transport
	asked int // over this connection
}

func newLine() *line { return &line{way: transport()} }

func (l *line) ask(ctx context.Context, door Door) Heard {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := door.askBy(ctx, l.client(door))
	return Heard{door, answer, err}
}

// client keeps no connection that TLS has bound to the name of one site.
func (l *line) client(door Door) *http.Client {
	if !strings.HasPrefix(door.URL, "http://") {
		return door.client()
	}
	if l.asked == perConnection {
		l.end()
		l.asked = 0
	}
	l.asked++
	return clientBy(l.way)
}

func (l *line) end() { l.way.CloseIdleConnections() }
