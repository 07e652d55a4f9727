package gather

import (
	"context"
	"sync"
	"time"

	"relink/deploy/apps"
	"relink/health"
	"relink/internal/links"
	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
	"relink/php/fpm"
)

// Deps say what to look at, and how long.
type Deps struct {
	Apps []apps.App
	// Pools lists the pools to ask. With an error it may list some all the same.
	Pools      func(context.Context) ([]php.Pool, error)
	Configured bool // the pools are named in the configuration

	Fleet   func(context.Context) *health.Fleet // nil: this host is by itself
	State   string                              // folder of locks, journals and histories
	Timeout time.Duration                       // for all that is asked of one pool
	Window  time.Duration                       // counters are judged by their growth in it
	Samples Samples                             // nil: nothing is judged by its growth

	// Cheap leaves out what costs more than a few milliseconds: the list of scripts
	// (10 ms for each 1,000), FPM's configuration as FPM prints it, and what a prune
	// would remove. The checks that need it are not judged.
	Cheap bool
	// MinRequests is how many look-ups a window must hold for its hit rate.
	MinRequests int64
}

// Facts looks at everything at the same time. It changes nothing but the
// samples and, where it is missing, the agent's file. As far as pools go it lasts
// at most four times Deps.Timeout: to find, to ask, to list, to look closer.
func Facts(ctx context.Context, d Deps) health.Facts {
	g := &gatherer{Deps: d, began: time.Now()}
	g.facts.Time, g.facts.Cheap = g.began, d.Cheap
	var both sync.WaitGroup
	both.Go(func() { g.askPools(ctx) })
	both.Go(func() { g.askFleet(ctx) })
	both.Go(func() {
		for _, a := range g.Apps {
			g.facts.Apps = append(g.facts.Apps, g.readApp(ctx, a))
		}
		g.facts.FileSystems = g.fileSystems()
	})
	both.Wait()
	if !d.Cheap {
		g.askFronts(ctx)
		g.readScripts(ctx)
		g.findStale()
	}
	g.compare(ctx)
	g.facts.Took = time.Since(g.began)
	return g.facts
}

// gatherer is one run of Facts.
type gatherer struct {
	Deps
	began   time.Time
	facts   health.Facts
	pools   []*poolProbe
	masters []fpm.Master // those that run here
	caches  []*cache
}

// cache is one OPcache: the pools that share it, the first of which is asked
// about it.
type cache struct {
	*opcache.Cache
	pools  []*poolProbe
	sample report.Master

	listErr error // why its scripts could not be listed
}

// readScripts lists the scripts of all caches that answer at the same time.
func (g *gatherer) readScripts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range g.caches {
		if c.sample.Err == nil {
			all.Go(func() { c.sample.Scripts, c.listErr = c.Scripts(ctx) })
		}
	}
	all.Wait()
}

func (c *cache) first() *poolProbe { return c.pools[0] }

// compare adds the figures of the caches and what has changed since an earlier
// sample, and keeps this one.
func (g *gatherer) compare(ctx context.Context) {
	now := report.Sample{Time: g.began}
	for _, c := range g.caches {
		now.Masters = append(now.Masters, c.sample)
	}
	apps := g.reported()
	var before *Sample
	if g.Samples != nil {
		before, g.facts.Samples = g.Samples.Before(g.began, g.Window)
	}
	var totals *report.Totals
	if before != nil {
		totals = &before.Totals
	}
	g.facts.Report = report.Build(now, totals, apps, report.Options{MinRequests: g.MinRequests})
	for i, c := range g.caches {
		g.facts.Masters = append(g.facts.Masters, g.describe(ctx, c, g.facts.Report.Masters[i], before))
	}
	for i := range g.facts.Pools {
		g.facts.Pools[i].Growth = poolGrowth(&g.facts.Pools[i], before)
	}
	if g.Samples != nil && g.facts.Samples == nil {
		g.facts.Samples = g.Samples.Add(g.sampleOf(now, apps), g.Window)
	}
}

func (g *gatherer) sampleOf(now report.Sample, apps []report.Application) Sample {
	s := Sample{Totals: now.Totals(apps), Pools: map[string]PoolCounters{}}
	for _, p := range g.facts.Pools {
		if p.Status != nil {
			s.Pools[p.Address] = PoolCounters{Started: p.Status.StartTime, MaxChildren: p.Status.MaxChildrenReached, SlowRequests: p.Status.SlowRequests}
		}
	}
	return s
}

// reported are the applications as the report knows them.
func (g *gatherer) reported() []report.Application {
	apps := make([]report.Application, len(g.facts.Apps))
	for i, a := range g.facts.Apps {
		apps[i] = report.Application{Name: a.Name, Releases: a.Releases, Slots: links.Occupants(a.Releases)}
		for _, one := range a.Instances {
			instance := report.Instance{Name: one.Name, Link: one.Link}
			if one.Kind == links.Good {
				instance.Target = one.Real
			}
			apps[i].Instances = append(apps[i].Instances, instance)
		}
	}
	return apps
}
