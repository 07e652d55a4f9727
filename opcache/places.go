package opcache

import (
	"maps"
	"slices"

	"relink/internal/links"
)

// LinkState is where a link leads at this moment.
type LinkState struct {
	Site
	Place string // where the link really lies
	Real  string // real folder that it leads to; "" where there is no link, or nothing behind it
}

// Within tells whether the link leads to the folder, or to one inside it.
func (s LinkState) Within(folder string) bool { return links.Within(s.Real, folder) }

func ReadLink(site Site) LinkState {
	s := LinkState{Site: site, Place: links.Place(site.Path)}
	if state := links.Read(s.Place); state.Kind == links.Good {
		s.Real = state.Real
	}
	return s
}

// ScanLinks looks at the sites, and at all other links that may keep a release of
// these folders in use, which are named by their paths.
func ScanLinks(sites []Site, known []string, releases ...string) []LinkState {
	var all []LinkState
	seen := map[string]bool{}
	add := func(site Site) {
		if s := ReadLink(site); !seen[s.Place] {
			seen[s.Place] = true
			all = append(all, s)
		}
	}
	for _, site := range sites {
		add(site)
	}
	for _, folder := range releases {
		for _, place := range slices.Sorted(maps.Keys(inUse(sites, known, folder).Links)) {
			add(Site{Name: place, Path: place})
		}
	}
	return all
}

// inUse leaves out what cannot be looked at.
func inUse(sites []Site, known []string, releases string) links.InUse {
	named := make([]string, len(sites))
	for i, site := range sites {
		named[i] = site.Path
	}
	return links.Find(releases, named, known)
}

// InUse is what the application's links lead to.
func (a App) InUse() links.InUse {
	known, _ := a.known()
	return inUse(a.Sites, known, a.Releases)
}

// known reads what was moved once, which may be long: only who needs it does.
func (a App) known() ([]string, error) {
	if a.Known == nil {
		return nil, nil
	}
	return a.Known()
}

func Names(all []LinkState) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = s.Name
	}
	return out
}
