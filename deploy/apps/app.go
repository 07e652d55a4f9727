// Package apps is what relink knows of an application: its instances, where their
// links lead, its releases folder and its files of state.
package apps

import (
	"path/filepath"
	"slices"

	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/links"
	"relink/opcache"
)

// App is what a deploy needs to know of one application. Paths are absolute.
type App struct {
	config.App
	State    string   // folder of locks, journals and histories
	AgentDir string   // folder of the agent on this machine; "" is the default
	AgentAt  string   // the same as the PHP of the sites sees it; "" is the same path
	Others   []string // releases folders of the other applications
	Known    []string // links that were moved once, whoever they belong to now (KnownLinks)
}

func (a App) stateFile(kind string) string { return filepath.Join(a.State, a.Name+"."+kind) }
func (a App) LockFile() string             { return a.stateFile("lock") }
func (a App) JournalFile() string          { return a.stateFile("journal.json") }
func (a App) ReserveFile() string          { return a.stateFile("reserve") }
func (a App) HistoryFile() string          { return a.stateFile("history.jsonl") }

// RealReleases is the releases folder without symlinks, also before it exists.
func (a App) RealReleases() string { return links.RealFolder(a.Releases) }

// ReleaseDir is the real folder of a release, which may be a slot, or the folder itself
// where a link leads to something that is no release.
func (a App) ReleaseDir(release string) string {
	if filepath.IsAbs(release) {
		return release
	}
	return links.RealFolder(filepath.Join(a.Releases, release))
}

// Destination is where links lead that serve a release of this application.
func (a App) Destination(release string) moves.Target {
	return moves.Target{
		Release: release,
		Literal: filepath.Join(a.Releases, release, a.LinkTarget),
		Real:    links.RealFolder(filepath.Join(a.ReleaseDir(release), a.LinkTarget)),
	}
}

// Required are the folders that a release must have to be served.
func (a App) Required() []string {
	return []string{filepath.Join(".", a.LinkTarget), filepath.Join(a.LinkTarget, a.Docroot)}
}

// InUse is what the links of the application lead to now: those of its instances,
// those beside them, and those that it has moved once.
func (a App) InUse() links.InUse {
	named := make([]string, len(a.Instances))
	for i, instance := range a.Instances {
		named[i] = instance.Link
	}
	use := links.Find(a.Releases, named, a.Known)
	for _, other := range a.Others {
		use.Others = append(use.Others, links.RealFolder(other))
	}
	return use
}

// InUseAfter is what they lead to once the plan is carried out.
func (a App) InUseAfter(plan moves.Plan) links.InUse {
	use := a.InUse()
	for _, move := range plan.Needed() {
		use.Links[move.Place] = move.To.Real
	}
	return use
}

// Sites are all instances, those that stay included, as the plan moves them: what a
// master preloads is for all of them.
func (a App) Sites(plan moves.Plan) []opcache.Link {
	live := a.InUse()
	all := moves.CacheLinks(plan, nil)
	moving, look := map[string]bool{}, links.NewLook()
	for _, link := range all {
		moving[look.Place(link.Path)] = true
	}
	for _, instance := range a.Instances {
		place := look.Place(instance.Link)
		if real := live.Links[place]; real != "" && !moving[place] {
			all = append(all, opcache.Link{Name: instance.Name, Path: instance.Link, From: real, To: real})
		}
	}
	return moves.InReleases(all, live)
}

// On is the number of instances on a release.
func (a App) On(release string, use links.InUse) int {
	n, look := 0, links.NewLook()
	for _, instance := range a.Instances {
		if real := use.Links[look.Place(instance.Link)]; real != "" && look.Release(real, use.Releases) == release {
			n++
		}
	}
	return n
}

// ReadLinks looks at the link of each instance, in their order.
func ReadLinks(instances []config.Instance) []links.State {
	states, look := make([]links.State, len(instances)), links.NewLook()
	for i, instance := range instances {
		states[i] = look.Read(instance.Link)
	}
	return states
}

// LinkedReleases are the releases that the instances' links lead to, in their order; ""
// for none.
func (a App) LinkedReleases() []string {
	states := ReadLinks(a.Instances)
	linked := make([]string, len(states))
	for i, now := range moves.TargetsOf(states, a.RealReleases()) {
		if states[i].Kind == links.Good {
			linked[i] = now.Release
		}
	}
	return linked
}

// Linked are the instances that have a link.
func (a App) Linked() []config.Instance {
	look := links.NewLook()
	return slices.DeleteFunc(slices.Clone(a.Instances), func(i config.Instance) bool {
		return look.Read(i.Link).Kind == links.Missing
	})
}

// NamesAt are the names of the instances whose links lie at these places; a link
// that is not configured is named by its path.
func (a App) NamesAt(places []string) []string {
	names, look := slices.Clone(places), links.NewLook()
	for _, instance := range a.Instances {
		if i := slices.Index(places, look.Place(instance.Link)); i >= 0 {
			names[i] = instance.Name
		}
	}
	return names
}
