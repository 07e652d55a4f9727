package propose

import (
	"path/filepath"
	"slices"
	"strings"
)

func (d *Draft) named(name string) bool {
	return slices.ContainsFunc(d.Apps, func(a App) bool { return strings.EqualFold(a.Name, name) })
}

// conflict names what is in the way of a link, and of a releases folder where
// that is new: no link may replace a folder that is needed or lie behind another
// one, and releases folders lie beside each other.
func (d *Draft) conflict(link, releases string, isNew bool) string {
	needed := []string{"/var/lib/relink"}
	if isNew {
		needed = append(needed, releases)
	}
	for _, a := range d.Apps {
		if isNew && overlap(a.Releases, releases) {
			return a.Releases
		}
		needed = append(needed, a.Releases)
		for _, i := range a.Instances {
			if overlap(i.Link, link) || isNew && overlap(i.Link, releases) {
				return i.Link
			}
		}
	}
	for _, folder := range needed {
		if within(link, folder) || within(filepath.Dir(folder)+"/shared", link) || within(folder, link) {
			return folder
		}
	}
	return ""
}

// inReleases tells whether a folder is a release that is served as it is.
func (d *Draft) inReleases(folder string) bool {
	return slices.ContainsFunc(d.Apps, func(a App) bool { return within(folder, a.Releases) })
}

func overlap(a, b string) bool { return within(a, b) || within(b, a) }

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
