package page

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// openUpTo is the number of instances up to which an application's lists are
// open from the start.
const openUpTo = 12

type appView struct {
	ID string
	App
	Total    int
	Releases int // that serve
	Bar      template.HTML
	Groups   []group
	Troubled []Instance
	Open     bool
}

// group is the instances of an application on one release.
type group struct {
	ID        string
	Class     string // of its colour
	Release   string // "" where links lead nowhere
	Count     int
	Share     float64
	Instances []instanceRow
}

type instanceRow struct {
	ID string
	Instance
}

func appsRegion(s Snapshot) region {
	instances := 0
	v := region{id: "apps", part: "app"}
	for _, app := range s.Apps {
		instances += len(app.Instances)
		v.parts = append(v.parts, part{id: idOf("app", app.Name), from: app, view: func() any { return appOf(app) }})
	}
	v.view = struct{ None, Filter bool }{len(s.Apps) == 0, instances > openUpTo}
	return v
}

func appOf(app App) appView {
	v := appView{ID: idOf("app", app.Name), App: app, Total: len(app.Instances), Groups: groupsOf(app)}
	v.Releases, v.Open = releasesIn(v.Groups), v.Total <= openUpTo
	v.Troubled = slices.DeleteFunc(slices.Clone(app.Instances), func(one Instance) bool { return one.Problem == "" })
	var segments []segment
	for _, g := range v.Groups {
		segments = append(segments, segment{class: g.Class, size: float64(g.Count)})
	}
	v.Bar = bar("tall", float64(v.Total), 4, stack(segments)...)
	return v
}

// groupsOf has the newest release first, links that lead nowhere last. A
// release's id sorts by time; a folder that is no release is a path.
func groupsOf(app App) []group {
	found := map[string]*group{}
	for _, one := range app.Instances {
		g := found[one.Release]
		if g == nil {
			g = &group{ID: idOf("group", app.Name, one.Release), Release: one.Release}
			found[one.Release] = g
		}
		g.Count++
		g.Instances = append(g.Instances, instanceRow{idOf("i", app.Name, one.Name), one})
	}
	groups := make([]group, 0, len(found))
	for _, g := range found {
		g.Share = float64(g.Count) / float64(len(app.Instances))
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Or(a.place()-b.place(), cmp.Compare(b.Release, a.Release))
	})
	for i := range groups {
		groups[i].Class = groups[i].class(i)
	}
	return groups
}

func (g group) place() int {
	switch {
	case g.Release == "":
		return 2
	case strings.HasPrefix(g.Release, "/"):
		return 1
	}
	return 0
}

// class makes the newest release stand out: a roll-out is its colour growing.
func (g group) class(rank int) string {
	if g.place() == 2 {
		return "release-none"
	}
	return fmt.Sprintf("release-%d", min(rank, 3))
}

// releasesIn is how many of the groups are on something.
func releasesIn(groups []group) int {
	n := 0
	for _, g := range groups {
		if g.Release != "" {
			n++
		}
	}
	return n
}

// Title names the group.
func (g group) Title() string { return cmp.Or(g.Release, "leading nowhere") }
