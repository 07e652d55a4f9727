package gather

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"relink/health"
	"relink/internal/links"
)

// findStale looks in each cache for code that no link leads to any more.
func (g *gatherer) findStale() {
	for _, c := range g.caches {
		for i := range g.facts.Apps {
			app := &g.facts.Apps[i]
			switch {
			case !app.ServedBy(c.first().facts.Apache, c.sample.Pools):
			case c.sample.Err != nil:
				app.CacheErr = errors.Join(app.CacheErr, fmt.Errorf("OPcache of %s cannot be asked", c.sample.Name))
			default:
				app.Old = append(app.Old, c.old(app)...)
				app.CacheErr = errors.Join(app.CacheErr, c.listErr)
			}
		}
	}
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
		folder, _, _ := strings.Cut(below, "/")
		one := held[folder]
		if one == nil {
			one = &health.OldRelease{Master: c.sample.Name, Release: links.Release(app.Releases+"/"+folder, app.Releases)}
			held[folder] = one
		}
		one.Scripts++
		if script.Hits > 0 && script.LastUsed.After(one.LastUsed) { // without hits it was only compiled, by a warm
			one.LastUsed = script.LastUsed
		}
	}
	var all []health.OldRelease
	linked := app.InUse.IDs()
	for _, folder := range slices.Sorted(maps.Keys(held)) {
		if one := held[folder]; !linked[one.Release] {
			all = append(all, *one)
		}
	}
	return all
}
