package links

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/bounded"
)

// InUse is every real folder that a symbolic link of an application leads to now.
type InUse struct {
	Releases string            // real path of the folder of releases
	Links    map[string]string // from the place of each link to the real folder behind it
	Others   []string          // real folders of other applications' releases
	Unread   error             // what could not be looked at: it may lead to any release
}

// Find looks at the links that are named, at those that lie beside them, in the
// folder of releases and in the one above it (where Deployer and Capistrano keep
// "current"), and at those that are known to have led to a release once: a release
// is in use whether or not the configuration names the link.
func Find(releases string, named, known []string) InUse {
	u := InUse{Releases: RealFolder(releases), Links: map[string]string{}}
	look := NewLook()
	folders := []string{u.Releases}
	var failed []error
	for _, path := range named {
		state := look.Read(path)
		failed = append(failed, state.Err)
		u.add(state)
		folders = append(folders, state.Parent)
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		failed = append(failed, u.addIn(look, folder))
	}
	above := filepath.Dir(u.Releases)
	if err := u.addIn(look, above); err != nil { // it need not be readable for whoever deploys
		known = append(slices.Clip(known), filepath.Join(above, "current"))
	}
	for _, path := range known {
		u.add(look.Read(path))
	}
	u.Unread = errors.Join(failed...)
	return u
}

// add adds a link. One that nobody has named, and that cannot be followed, keeps no
// release alive.
func (u InUse) add(state State) {
	if state.Real != "" {
		u.Links[state.Place()] = state.Real
	}
}

func (u InUse) addIn(look *Look, folder string) error {
	entries, err := bounded.Folder(folder, bounded.MostLinks)
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
		if own := folder == u.Releases && PlaceOf(folder, entry.Name()) != ""; !own { // a release uses nothing
			u.add(look.Read(filepath.Join(folder, entry.Name())))
		}
	}
	return nil
}

// Serves tells whether a link leads to the folder, or to one inside it. A folder that
// holds releases of another application, or lies in them, is always in use: whoever owns
// a link may lead it there, and what others have in the cache is not his.
func (u InUse) Serves(folder string) bool {
	for _, real := range u.Links {
		if Within(real, folder) {
			return true
		}
	}
	return slices.ContainsFunc(u.Others, func(other string) bool { return Overlap(other, folder) })
}

// IDs are the names of the releases that links lead to; a folder that is none of
// the releases is named by its path.
func (u InUse) IDs() map[string]bool {
	ids, look := map[string]bool{}, NewLook()
	for _, real := range u.Links {
		ids[look.Release(real, u.Releases)] = true
	}
	return ids
}

// MostUsed is the real folder of the release that most of the links lead into, "" if
// none does.
func (u InUse) MostUsed() string {
	count, best := map[string]int{}, ""
	for _, real := range u.Links {
		folder := Folder(real, u.Releases)
		if folder == real && !Within(real, u.Releases) {
			continue
		}
		if count[folder]++; count[folder] > count[best] || count[folder] == count[best] && folder > best {
			best = folder
		}
	}
	return best
}

// Unused lists the real folders of the releases folder that no link leads into.
func (u InUse) Unused() []string {
	entries, err := bounded.Folder(u.Releases, bounded.MostLinks)
	if err != nil {
		return nil
	}
	var unused []string
	for _, entry := range entries {
		folder := filepath.Join(u.Releases, entry.Name())
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") && !u.Serves(folder) {
			unused = append(unused, folder)
		}
	}
	return unused
}

// Folder is the real folder of the release that a real path is in; the path itself
// where it is in none.
func Folder(real, releases string) string {
	below, inside := strings.CutPrefix(real, releases+string(filepath.Separator))
	if !inside {
		return real
	}
	name, _, _ := strings.Cut(below, string(filepath.Separator))
	return filepath.Join(releases, name)
}

// Release is the id of the release that a real path is in; the path itself where
// it is in none.
func Release(real, releases string) string {
	folder := Folder(real, releases)
	if folder == real && !Within(real, releases) {
		return real
	}
	name := filepath.Base(folder)
	if IsPlace(name) {
		return cmp.Or(Occupant(releases, name), name)
	}
	return name
}
