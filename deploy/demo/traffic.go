package demo

import (
	"context"
	"fmt"
	"time"

	"relink/internal/sandbox/load"
	"relink/internal/ui"
)

const (
	clients    = 6
	visitEvery = 100 * time.Millisecond // looks at how far the first visits are
)

// traffic is the load, all the time: one client on the first site, so that this
// site can be judged alone, and the others on the rest.
type traffic struct{ first, rest *load.Load }

// seen is what the traffic has brought so far.
type seen struct{ first, rest load.Result }

func (s *scene) startTraffic(ctx context.Context) (traffic, error) {
	one, others := s.load(s.sites[:1], 1), s.load(s.sites[1:], clients-1)
	one.Pause, others.Pause = s.Pause, s.Pause
	first, err := load.Run(ctx, one)
	if err != nil {
		return traffic{}, err
	}
	rest, err := load.Run(ctx, others)
	if err != nil {
		first.Stop()
		return traffic{}, err
	}
	return traffic{first, rest}, nil
}

func (t traffic) stop() {
	t.first.Stop()
	t.rest.Stop()
}

func (t traffic) now() seen { return seen{t.first.Result(), t.rest.Result()} }

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
		if err := watch(ctx, visitEvery); err != nil {
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

// watch lets the load go on for a while.
func watch(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
