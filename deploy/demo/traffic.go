package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"relink/deploy/outcome"
	"relink/internal/pace"
	"relink/internal/sandbox/load"
	"relink/internal/ui"
)

const (
	clients    = 6
	visitEvery = 100 * time.Millisecond // looks at how far the first visits are
)

// traffic is the load, all the time: one client on the first site, so that this
// site can be judged alone, and the others on the rest.
type traffic []*load.Load

func (s *scene) startTraffic(ctx context.Context) (t traffic, err error) {
	for _, o := range []load.Options{s.load(s.sites[:1], 1), s.load(s.sites[1:], clients-1)} {
		o.Pause = s.Pause
		one, err := load.Run(ctx, o)
		if err != nil {
			t.stop()
			return nil, err
		}
		t = append(t, one)
	}
	return t, nil
}

func (t traffic) stop() {
	for _, one := range t {
		one.Stop()
	}
}

// now is what each has brought so far.
func (t traffic) now() (seen []load.Result) {
	for _, one := range t {
		seen = append(seen, one.Result())
	}
	return seen
}

func (s *scene) load(sites []site, number int) load.Options {
	o := load.Options{URL: s.server.URL(), Paths: s.app.Paths, Clients: number, Release: s.app.Release}
	for _, one := range sites {
		o.Hosts = append(o.Hosts, one.host)
	}
	return o
}

// rounds of first visits: the clients do not go at the same pace, and when the
// fastest ends its second round, the slowest has ended its first.
const rounds = 2

// visit asks every page of every site, so that the application has filled its
// own caches before anything is measured, and tells how many sites answer with
// the release.
func (s *scene) visit(ctx context.Context, release string) (answering int, err error) {
	began := time.Now()
	pages := rounds * len(s.sites) * len(s.app.Paths)
	visits, err := load.Run(ctx, s.load(s.sites, clients))
	if err != nil {
		return 0, err
	}
	defer visits.Stop()
	progress := s.Screen.Progress("visits", "pages", pages)
	defer progress.Done()
	for done := 0; done < pages; done = visits.Result().Requests {
		progress.Set(done)
		if err := pace.Wait(ctx, visitEvery); err != nil {
			return 0, err
		}
	}
	progress.Set(pages)
	progress.Done()
	s.Screen.Step("visits", ui.Plural(pages, "page"), time.Since(began))
	return sitesOn(visits.Stop(), release)
}

func sitesOn(result load.Result, release string) (int, error) {
	if result.Errors > 0 {
		return 0, fmt.Errorf("demo: %d of %d first visits failed: %s", result.Errors, result.Requests, result.Described[0])
	}
	n := 0
	for _, one := range result.Seen(time.Time{}) {
		if one.Release == release {
			n++
		}
	}
	return n, nil
}

// slowAnswer is what became of the slow request.
type slowAnswer struct {
	Release string
	began   time.Time
	Took    time.Duration
	Problem string
}

// flight is a slow request that begins after a step of the command, once.
type flight struct {
	begin  func() // only the first call does something
	cancel context.CancelFunc
	asked  sync.WaitGroup
	answer slowAnswer // valid when nothing is asked any more
}

// slowRequest must be ended.
func (s *scene) slowRequest(ctx context.Context, on site) *flight {
	ctx, cancel := context.WithCancel(ctx)
	f := &flight{cancel: cancel, answer: slowAnswer{Problem: "it was never begun"}}
	f.begin = sync.OnceFunc(func() { f.asked.Go(func() { f.answer = s.ask(ctx, on) }) })
	return f
}

// startAfter is the step after which the slow request begins. The release is
// there already, from the deploy to one site: what is left before the first link
// moves takes far less than the request, and more than it needs to reach a worker.
const startAfter = "preflight"

func (f *flight) stepped(name string) {
	if name == startAfter {
		f.begin()
	}
}

// land waits for the answer, when the command has returned.
func (f *flight) land() slowAnswer {
	f.asked.Wait()
	return f.answer
}

func (f *flight) end() {
	f.cancel()
	f.asked.Wait()
}

func (s *scene) ask(ctx context.Context, on site) slowAnswer {
	answer := slowAnswer{began: time.Now()}
	var err error
	if answer.Release, err = s.app.AskSlowly(ctx, s.server.URL(), on.host); err != nil {
		answer.Problem = err.Error()
	}
	answer.Took = time.Since(answer.began)
	return answer
}

// meeting tells how the slow request and the cut-over met.
type meeting int

const (
	outlasted meeting = iota // in flight all the while, as it should be
	missed                   // not in flight when the first link moved: it has shown nothing
	waitedFor                // the cut-over came only when it was over
)

func (m meeting) String() string {
	return [...]string{"from before the cut-over until after it", "but not in flight at the cut-over: this machine is slow", "and the cut-over waited for it"}[m]
}

// meet compares the slow request's time, counted from the command's begin, with
// the command's steps.
func meet(began, ended time.Duration, report outcome.Report) meeting {
	moved := until(report, "prepare")
	switch {
	case began > moved || ended < moved:
		return missed
	case ended < until(report, "invalidate"):
		return waitedFor
	}
	return outlasted
}

// until is how long the command took to the end of that step.
func until(report outcome.Report, step string) time.Duration {
	var sum time.Duration
	for _, one := range report.Steps {
		sum += ui.FromMilliseconds(one.MS)
		if one.Name == step {
			break
		}
	}
	return sum
}
