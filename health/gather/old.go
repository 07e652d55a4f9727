package gather

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"relink/deploy/apps"
	"relink/health"
)

// findStale looks in each cache for code that no link leads to any more.
func (g *gatherer) findStale() {
	for _, c := range g.caches {
		if c.sample.Err != nil {
			continue
		}
		for i := range g.Apps {
			if g.serves(c, g.Apps[i]) {
				app := &g.facts.Apps[i]
				app.Old = append(app.Old, c.old(app)...)
				app.CacheErr = errors.Join(app.CacheErr, c.listErr)
			}
		}
	}
	for i := range g.Apps {
		g.facts.Apps[i].CacheErr = errors.Join(g.facts.Apps[i].CacheErr, g.unasked(g.Apps[i]))
	}
}

// unasked tells which of an application's caches could not be asked.
func (g *gatherer) unasked(a apps.App) error {
	var problems []error
	for _, c := range g.caches {
		if c.sample.Err != nil && g.serves(c, a) {
			problems = append(problems, fmt.Errorf("OPcache of %s cannot be asked", c.sample.Name))
		}
	}
	return errors.Join(problems...)
}

func (g *gatherer) serves(c *cache, a apps.App) bool {
	return len(a.Pools) == 0 || c.first().facts.Apache || slices.ContainsFunc(c.sample.Pools, func(p string) bool { return slices.Contains(a.Pools, p) })
}

// old lists what a cache holds of an application's releases that no link leads to.
func (c *cache) old(app *health.App) []health.OldRelease {
	held := map[string]*health.OldRelease{}
	for n := range c.sample.Scripts {
		script := &c.sample.Scripts[n]
		below, inside := strings.CutPrefix(script.Path, app.Releases+"/")
		if !script.Live || !inside {
			continue
		}
		id, _, _ := strings.Cut(below, "/")
		one := held[id]
		if one == nil {
			one = &health.OldRelease{Master: c.sample.Name, Release: id}
			held[id] = one
		}
		one.Scripts++
		if script.Hits > 0 && script.LastUsed.After(one.LastUsed) { // without hits it was only compiled, by a warm
			one.LastUsed = script.LastUsed
		}
	}
	var all []health.OldRelease
	linked := app.InUse.IDs()
	for _, id := range slices.Sorted(maps.Keys(held)) {
		if !linked[id] {
			all = append(all, *held[id])
		}
	}
	return all
}
