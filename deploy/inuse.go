package deploy

import (
	"relink/internal/links"
)

// InUse is what the links of the application lead to now: those of its instances,
// those beside them, and those that it has moved once.
func (a App) InUse() links.InUse {
	named := make([]string, len(a.Instances))
	for i, instance := range a.Instances {
		named[i] = instance.Link
	}
	return links.Find(a.Releases, named, a.Known)
}

// KnownLinks are the links that deploys of an application have moved, as far as
// its history reaches back.
func KnownLinks(state, app string) ([]string, error) {
	events, err := readHistory(HistoryFile(state, app))
	seen := map[string]bool{}
	var known []string
	for _, event := range events {
		for _, move := range event.Moves {
			if !seen[move.Link] {
				seen[move.Link] = true
				known = append(known, move.Link)
			}
		}
	}
	return known, err
}

// on is the number of instances on a release.
func (a App) on(release string, use links.InUse) int {
	n := 0
	for _, instance := range a.Instances {
		if real := use.Links[links.Place(instance.Link)]; real != "" && links.Release(real, use.Releases) == release {
			n++
		}
	}
	return n
}

// readLinks looks at the link of each instance, in their order.
func readLinks(instances []Instance) []links.State {
	states := make([]links.State, len(instances))
	for i, instance := range instances {
		states[i] = links.Read(instance.Link)
	}
	return states
}
