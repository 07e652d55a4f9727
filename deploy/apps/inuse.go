package apps

import (
	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/links"
	"slices"
)

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

// On is the number of instances on a release.
func (a App) On(release string, use links.InUse) int {
	n := 0
	for _, instance := range a.Instances {
		if real := use.Links[links.Place(instance.Link)]; real != "" && links.Release(real, use.Releases) == release {
			n++
		}
	}
	return n
}

// ReadLinks looks at the link of each instance, in their order.
func ReadLinks(instances []config.Instance) []links.State {
	states := make([]links.State, len(instances))
	for i, instance := range instances {
		states[i] = links.Read(instance.Link)
	}
	return states
}

// LinkedRelease is the release that an instance's link leads to, "" for none.
func (a App) LinkedRelease(instance config.Instance) string {
	state := links.Read(instance.Link)
	if state.Kind != links.Good {
		return ""
	}
	return moves.TargetOf(state, a.RealReleases()).Release
}

// Linked are the instances that have a link.
func (a App) Linked() []config.Instance {
	return slices.DeleteFunc(slices.Clone(a.Instances), func(i config.Instance) bool {
		return links.Read(i.Link).Kind == links.Missing
	})
}

// NamesAt are the names of the instances whose links lie at these places; a link
// that is not configured is named by its path.
func (a App) NamesAt(places []string) []string {
	names := slices.Clone(places)
	for _, instance := range a.Instances {
		if i := slices.Index(places, links.Place(instance.Link)); i >= 0 {
			names[i] = instance.Name
		}
	}
	return names
}
