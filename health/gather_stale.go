package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"relink/internal/realpath"
	"relink/opcache"
	"relink/php"
)

// findStale looks in each cache for code that no link leads to any more.
func (g *gathering) findStale(ctx context.Context) {
	var mu sync.Mutex
	g.eachCache(ctx, func(ctx context.Context, c *cache) {
		for i := range g.Apps {
			if !g.serves(c, g.Apps[i]) {
				continue
			}
			h := newHunt(g, c, &g.facts.Apps[i], g.Apps[i])
			old := h.old()
			aliases, err := h.aliases(ctx)
			mu.Lock()
			app := &g.facts.Apps[i]
			app.Old = append(app.Old, old...)
			app.Aliases = append(app.Aliases, aliases...)
			app.CacheErr = errors.Join(app.CacheErr, err, c.listErr)
			mu.Unlock()
		}
	})
	for i := range g.Apps {
		g.facts.Apps[i].CacheErr = errors.Join(g.facts.Apps[i].CacheErr, g.unasked(g.Apps[i]))
	}
	// A deploy that has begun meanwhile explains what was found.
	for i := range g.facts.Apps {
		if len(g.facts.Apps[i].Aliases) > 0 {
			g.facts.Apps[i].readDeploys(ctx, g.Apps[i])
		}
	}
}

// unasked tells which of an application's caches could not be asked.
func (g *gathering) unasked(a Application) error {
	var problems []error
	for _, c := range g.caches {
		if c.sample.Err != nil && g.serves(c, a) {
			problems = append(problems, fmt.Errorf("OPcache of %s cannot be asked", c.sample.Name))
		}
	}
	return errors.Join(problems...)
}

func (g *gathering) serves(c *cache, a Application) bool {
	return len(a.Pools) == 0 || slices.ContainsFunc(c.sample.Pools, func(p string) bool { return slices.Contains(a.Pools, p) })
}

// hunt looks for stale code of one application in one cache.
type hunt struct {
	cache    *cache
	app      *App
	target   string           // the folder inside a release that links lead to
	releases map[string]*held // by id
	live     map[string]bool  // real paths of all live scripts of the application
	linked   map[string]bool  // ids that some link leads to
	spell    speller
}

// held is what the cache holds of one release.
type held struct {
	live     []string // relative to the link's target
	scripts  int64
	lastUsed time.Time // of those that were hit
}

func newHunt(g *gathering, c *cache, app *App, a Application) *hunt {
	h := &hunt{cache: c, app: app, target: filepath.Join(".", a.LinkTarget), releases: map[string]*held{}, live: map[string]bool{}}
	a.ReachedAs = slices.Concat(a.ReachedAs, opcache.ReadReached(opcache.ReachedFile(g.State, a.Name)))
	h.spell = newSpeller(a, g.scriptsSeen(c))
	h.linked = linkedReleases(app)
	for n := range c.sample.Scripts {
		if s := &c.sample.Scripts[n]; s.Live {
			h.add(s)
		}
	}
	return h
}

func (h *hunt) add(s *php.Script) {
	h.live[s.Path] = true
	below, inside := strings.CutPrefix(s.Path, h.app.Releases+"/")
	if !inside {
		return
	}
	id, rest, _ := strings.Cut(below, "/")
	one := h.releases[id]
	if one == nil {
		one = &held{}
		h.releases[id] = one
	}
	one.scripts++
	if s.Hits > 0 && s.LastUsed.After(one.lastUsed) { // without hits it was only compiled, by a warm
		one.lastUsed = s.LastUsed
	}
	if h.target == "." {
		one.live = append(one.live, rest)
	} else if rest, inside := strings.CutPrefix(rest, h.target+"/"); inside {
		one.live = append(one.live, rest)
	}
}

// linkedReleases are those that an instance is on, or a link beside the
// instances or in the releases folder that the configuration does not name.
func linkedReleases(app *App) map[string]bool {
	linked, folders := map[string]bool{}, map[string]bool{app.Releases: true}
	for _, i := range app.Instances {
		linked[i.Release] = true
		folders[filepath.Dir(i.Link)] = true
	}
	for folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue // then it holds no link that anybody follows
		}
		for _, entry := range entries {
			if entry.Type() != os.ModeSymlink {
				continue
			}
			real, err := realpath.Of(filepath.Join(folder, entry.Name()))
			if below, inside := strings.CutPrefix(real, app.Releases+"/"); err == nil && inside {
				id, _, _ := strings.Cut(below, "/")
				linked[id] = true
			}
		}
	}
	return linked
}

// old lists what is held of releases that no link leads to.
func (h *hunt) old() []OldRelease {
	var all []OldRelease
	for id, one := range h.releases {
		if !h.linked[id] {
			all = append(all, OldRelease{Master: h.cache.sample.Name, Release: id, Scripts: one.scripts, LastUsed: one.lastUsed})
		}
	}
	slices.SortFunc(all, func(a, b OldRelease) int { return strings.Compare(a.Release, b.Release) })
	return all
}
