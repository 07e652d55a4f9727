package serve

import (
	"fmt"
	"slices"
	"time"

	"relink/deploy/fleet"
	"relink/health"
	"relink/health/serve/page"
	"relink/internal/ui"
)

const (
	ratesFor     = time.Hour
	ratesStep    = 20 * time.Second
	leastLookups = 20 // for the hit ratio of a step to mean something
	shownDeploys = 20
)

// snapshotOf is a reading as the page shows it.
func snapshotOf(r *reading, d *deploys, h *history) page.Snapshot {
	f := &r.facts
	s := page.Snapshot{Time: f.Time.UTC(), Host: hostname(), Checks: r.results, Apps: []page.App{}, Caches: f.Report, Pools: []page.Pool{}}
	for i := range f.Apps {
		s.Apps = append(s.Apps, appOf(&f.Apps[i]))
	}
	s.Fleet = fleetOf(f.Fleet)
	points := h.between(f.Time.Add(-ratesFor), f.Time, ratesStep)
	for i := range f.Pools {
		s.Pools = append(s.Pools, poolOf(f, &f.Pools[i], points))
	}
	s.Rates = ratesOf(points)
	s.Deploys, _ = d.newest("", shownDeploys) // why they are missing is told by the check of deploys
	return s
}

func fleetOf(f *health.Fleet) *page.Fleet {
	if f == nil {
		return nil
	}
	shown := &page.Fleet{Host: f.Host, Time: f.Time.UTC(), Steward: f.Steward, Apps: append([]fleet.Overview{}, f.Apps...)}
	if f.Err != nil {
		shown.Error = f.Err.Error()
	}
	return shown
}

func appOf(a *health.App) page.App {
	app := page.App{Name: a.Name, Instances: []page.Instance{}, Running: runningOf(a)}
	for i := range a.Instances {
		one := &a.Instances[i]
		_, problem := one.Judge()
		app.Instances = append(app.Instances, page.Instance{Name: one.Name, Link: one.Link, Release: one.Release, Since: one.Changed, Problem: problem})
	}
	if a.DeployErr != nil {
		app.Error = a.DeployErr.Error()
	}
	return app
}

func runningOf(a *health.App) *page.Running {
	if a.Pending == nil && a.Locked == nil {
		return nil
	}
	var r page.Running
	if a.Locked != nil {
		r.Since, r.Holder = a.Locked.Since, fmt.Sprintf("%s@%s, pid %d", a.Locked.User, a.Locked.Host, a.Locked.PID)
	}
	if a.Pending != nil {
		r.Pending = *a.Pending
		r.Stale = nil // what visitors asked of them is not told here
	}
	return &r
}

func poolOf(f *health.Facts, p *health.Pool, points []Point) page.Pool {
	one := page.Pool{Address: p.Address, Queue: p.Queue, LatencyMS: ui.Milliseconds(p.Latency)}
	for _, m := range f.Masters {
		if slices.Contains(m.Pools, p.Address) {
			one.Master = m.Name
		}
	}
	if p.Err != nil {
		one.Error = p.Err.Error()
		return one
	}
	if p.Status == nil {
		return one
	}
	st := p.Status
	one.Workers.Idle, one.Workers.Active = p.Workers()
	one.Workers.Most = st.MaxActiveProcesses
	one.MaxQueue, one.MaxChildrenReached, one.SlowRequests = &st.MaxListenQueue, &st.MaxChildrenReached, &st.SlowRequests
	if n := len(points); n > 0 {
		one.Requests = requestsOf(points[n-1], p.Address)
	}
	return one
}

func ratesOf(points []Point) page.Rates {
	r := page.Rates{Times: []int64{}, HitRatio: []page.Line{}, Requests: []page.Line{}}
	for i, p := range points {
		r.Times = append(r.Times, p.Time.Unix())
		for _, c := range p.Caches {
			lineOf(&r.HitRatio, c.Name, len(points))[i] = hitRatio(c)
		}
		for _, one := range p.Pools {
			lineOf(&r.Requests, one.Address, len(points))[i] = requestsOf(p, one.Address)
		}
	}
	return r
}

// lineOf is the line of a name; lines are in the order in which they are first seen.
func lineOf(lines *[]page.Line, name string, length int) []*float64 {
	i := slices.IndexFunc(*lines, func(one page.Line) bool { return one.Name == name })
	if i < 0 {
		i = len(*lines)
		*lines = append(*lines, page.Line{Name: name, Values: make([]*float64, length)})
	}
	return (*lines)[i].Values
}

func hitRatio(c CachePoint) *float64 {
	if c.Hits == nil || c.Misses == nil || *c.Hits+*c.Misses < leastLookups {
		return nil
	}
	return new(float64(*c.Hits) / float64(*c.Hits+*c.Misses))
}

func requestsOf(p Point, address string) *float64 {
	at := slices.IndexFunc(p.Pools, func(one PoolPoint) bool { return one.Address == address })
	if at < 0 || p.Pools[at].Requests == nil || p.Seconds <= 0 {
		return nil
	}
	return new(float64(*p.Pools[at].Requests) / p.Seconds)
}
