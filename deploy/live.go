package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// live is every real folder that a link leads to now: those of the instances,
// and those of links beside them, or in the releases folder, that the
// configuration does not name.
type live struct {
	releases string
	links    map[string]string // real place of the link: real folder
	named    map[string]bool   // the places that are instances
}

func (a App) live() (live, error) {
	l := live{releases: a.realReleases(), links: map[string]string{}, named: map[string]bool{}}
	folders := []string{l.releases}
	for _, instance := range a.Instances {
		state, err := ReadLink(instance.Link)
		if err != nil {
			return l, fmt.Errorf("instance %s: %w", instance.Name, err)
		}
		l.add(state)
		l.named[state.Place()] = true
		folders = append(folders, state.Parent)
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		if err := l.addBeside(folder); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l live) add(state LinkState) {
	if state.Real != "" {
		l.links[state.Place()] = state.Real
	}
}

func (l live) addBeside(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) || folder == "" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for links: %w", err)
	}
	for _, entry := range entries {
		if entry.Type()&fs.ModeSymlink == 0 {
			continue
		}
		// A link that cannot be followed keeps no release alive.
		if state, err := ReadLink(filepath.Join(folder, entry.Name())); err == nil {
			l.add(state)
		}
	}
	return nil
}

// serves tells whether a link leads to the folder, or to one inside it.
func (l live) serves(folder string) bool {
	for _, real := range l.links {
		if real == folder || strings.HasPrefix(real, folder+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// ids are the releases that a link leads to.
func (l live) ids() map[string]bool {
	ids := map[string]bool{}
	for _, real := range l.links {
		ids[releaseOf(real, l.releases)] = true
	}
	return ids
}

// count is the number of instances on a release.
func (l live) count(release string) int {
	n := 0
	for place, real := range l.links {
		if l.named[place] && releaseOf(real, l.releases) == release {
			n++
		}
	}
	return n
}
