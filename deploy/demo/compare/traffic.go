package compare

import (
	"context"
	"slices"
	"time"

	"relink/internal/sandbox/load"
	"relink/internal/ui"
)

// Situation is what goes on while a way is measured.
type Situation struct {
	Name  string
	Title string
	Load  bool // closed-loop clients without a pause
	Open  bool // besides, visitors at a constant rate
	Slow  bool // a request of 5 s is in flight
	Alone bool // is measured without a deploy, too
}

var (
	Idle     = Situation{Name: "idle", Title: "idle but for visitors at a constant rate", Open: true}
	Loaded   = Situation{Name: "load", Title: "under load", Load: true, Open: true, Alone: true}
	SlowLoad = Situation{Name: "slow", Title: "under load, a request of 5 s in flight", Load: true, Open: true, Slow: true}
)

// traffic is the load on all sites.
type traffic struct{ closed, open *load.Load }

func (s *scene) begin(ctx context.Context, at Situation) (t traffic, err error) {
	o := load.Options{URL: s.server.URL(), Paths: s.line.Paths, Release: s.line.Release}
	for _, name := range s.names {
		o.Hosts = append(o.Hosts, host(name))
	}
	if at.Load {
		o.Clients, o.Pause = s.subject.Clients, s.subject.Pause
		if t.closed, err = load.Run(ctx, o); err != nil {
			return t, err
		}
	}
	if at.Open {
		o.Rate = s.subject.Rate
		t.open, err = load.Run(ctx, o)
	}
	return t, err
}

func (t traffic) stop() {
	for _, one := range t.loads() {
		one.Stop()
	}
}

func (t traffic) loads() (all []*load.Load) {
	for _, one := range []*load.Load{t.closed, t.open} {
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

// Seen is what visitors have seen in a window. Times are in milliseconds.
type Seen struct {
	LengthMS  float64 `json:"length_ms"`
	Answered  int     `json:"answered"`
	Failed    int     `json:"failed"`
	PerSecond float64 `json:"per_second"`
	WorstMS   float64 `json:"worst_ms"` // of both loops
	P99MS     float64 `json:"p99_ms"`   // of both loops
	OpenMS    float64 `json:"open_ms"`  // the worst of the open loop
}

func (t traffic) seen(from, to time.Time) (s Seen) {
	var waits []time.Duration
	s.LengthMS = ui.Milliseconds(to.Sub(from))
	for _, one := range t.loads() {
		w := one.Result().Between(from, to)
		waits = append(waits, w.Waits...)
		s.Answered, s.Failed = s.Answered+w.Answered, s.Failed+w.Failed
		if one == t.open {
			s.OpenMS = ui.Milliseconds(w.Wait(1))
		}
	}
	slices.Sort(waits)
	both := load.Window{Waits: waits}
	s.PerSecond = float64(s.Answered) / to.Sub(from).Seconds()
	s.WorstMS, s.P99MS = ui.Milliseconds(both.Wait(1)), ui.Milliseconds(both.Wait(0.99))
	return s
}

// otherThan counts the answers of another release that began after a moment.
func (t traffic) otherThan(tag string, after time.Time) (n int) {
	for _, one := range t.loads() {
		n += one.Result().OtherAfter(after, tag)
	}
	return n
}

// problem is why the first request failed, in words.
func (t traffic) problem() string {
	for _, one := range t.loads() {
		if described := one.Result().Described; len(described) > 0 {
			return described[0]
		}
	}
	return ""
}

// series is the answers per tick from one moment to another.
func (t traffic) series(from, to time.Time) []int {
	answers := make([]int, max(0, to.Sub(from)/tick))
	for _, one := range t.loads() {
		for i, rate := range one.Result().Rates(from, to, tick) {
			answers[i] += int(rate*tick.Seconds() + 0.5)
		}
	}
	return answers
}

const tick = 100 * time.Millisecond

// Slow is what became of the slow request.
type Slow struct {
	TookMS  float64 `json:"took_ms"`
	Problem string  `json:"problem,omitempty"`
}

// askSlowly asks for a page that sleeps.
func (s *scene) askSlowly(ctx context.Context) Slow {
	began := time.Now()
	_, err := s.line.AskSlowly(ctx, s.server.URL(), host(s.names[0]))
	slow := Slow{TookMS: ui.Milliseconds(time.Since(began))}
	if err != nil {
		slow.Problem = err.Error()
	}
	return slow
}
