package front

import (
	"context"
	"path"
	"relink/deploy/apps"
	"relink/internal/links"
	"relink/php"
	"relink/php/apache"
	"relink/php/probe"
	"slices"
)

// WebPools are the PHPs inside of web servers: the processes of each are reached
// through any of the sites that it serves.
func WebPools(ctx context.Context, sights []Sight, agentDir string) []php.Pool {
	heard := make([]probe.Heard, len(sights))
	for i, s := range sights {
		heard[i] = s.Heard
	}
	var pools []php.Pool
	for _, one := range apache.Pools(ctx, heard, func(int) string { return agentDir }) {
		pools = append(pools, one.Pool)
	}
	return pools
}

// DoorsOf are the ways to all that can be asked, also to those that have no probe
// before the switch.
func DoorsOf(sites []Site) []probe.Door {
	doors := make([]probe.Door, len(sites))
	for i, site := range sites {
		doors[i] = site.Door
	}
	return doors
}

// Ours tells whether a file may belong to a release, or to a folder that a link
// leads to now.
func Ours(app apps.App, file string, states []links.State) bool {
	if links.Within(file, app.RealReleases()) {
		return true
	}
	return slices.ContainsFunc(states, func(s links.State) bool { return s.Real != "" && links.Within(file, s.Real) })
}

// seenReleases is the releases folder as PHP sees it: what lies before the id of
// one of the releases.
func seenReleases(app apps.App, file string, states []links.State, to string) string {
	known := map[string]bool{to: true}
	for _, state := range states {
		known[links.Release(state.Real, app.RealReleases())] = true
	}
	for dir := path.Dir(file); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if known[path.Base(dir)] {
			return path.Dir(dir)
		}
	}
	return "/path/there"
}
