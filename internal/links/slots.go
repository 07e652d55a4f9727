package links

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A slot is a folder of the releases folder in which releases take turns, so that the
// files which they have in common keep the real path under which OPcache knows them. A
// link `<id> -> slot-4f9k2m` says which release is in it, and one in RecordDir the other
// way round: a real path leads through the slot, and the release is what people ask for.
// The name is by chance: what PHP remembers of a path must be of this very slot.
//
// A place is a slot, or the like of one (`place-4f9k2m`) for one release only, where a
// path that links have left must not serve again.
var (
	slotName  = regexp.MustCompile(`^slot-[0-9a-z]{6}$`)
	placeName = regexp.MustCompile(`^(slot|place)-[0-9a-z]{6}$`)
)

// RecordDir is where, in the releases folder, things are noted of releases and slots.
const RecordDir = ".relink"

// NewSlot is the name of a slot that there has never been.
func NewSlot() string { return newPlace("slot-") }

// NewPlace is the name of a place for one release.
func NewPlace() string { return newPlace("place-") }

func newPlace(prefix string) string {
	name := []byte(prefix)
	for range 6 {
		name = append(name, "0123456789abcdefghijklmnopqrstuvwxyz"[rand.IntN(36)])
	}
	return string(name)
}

// IsSlot tells whether a folder of releases is a slot, by its name.
func IsSlot(folder string) bool { return slotName.MatchString(filepath.Base(folder)) }

// IsPlace tells whether a folder of releases is a place, by its name.
func IsPlace(folder string) bool { return placeName.MatchString(filepath.Base(folder)) }

// OutsideSlots leaves out slots, of folders that nobody uses: what OPcache holds of them
// is what the next release in them is going to need.
func OutsideSlots(folders []string) []string {
	return slices.DeleteFunc(slices.Clone(folders), IsSlot)
}

// LastIn is the release that was sealed in a place last, whether it is in it still.
func LastIn(releases, place string) string {
	id, err := os.Readlink(filepath.Join(releases, RecordDir, place))
	if err != nil || filepath.Base(id) != id {
		return ""
	}
	return id
}

// Occupant is the release in a place of the releases folder; "" for none. It takes both
// links: a crash may have left one.
func Occupant(releases, place string) string {
	id := LastIn(releases, place)
	if id == "" {
		return ""
	}
	if back, err := os.Readlink(filepath.Join(releases, id)); err != nil || back != place {
		return ""
	}
	return id
}

// Occupants are the releases in the places of the releases folder, by the places' names.
func Occupants(releases string) map[string]string {
	all := map[string]string{}
	entries, _ := os.ReadDir(releases) // no folder, no slots
	for _, entry := range entries {
		if !IsPlace(entry.Name()) {
			continue
		}
		if id := Occupant(releases, entry.Name()); id != "" {
			all[entry.Name()] = id
		}
	}
	return all
}

// PlaceOf is the place that a release is in; "" where it has a folder of its own.
func PlaceOf(releases, id string) string {
	place, err := os.Readlink(filepath.Join(releases, id))
	if err != nil || !IsPlace(place) || Occupant(releases, place) != id {
		return ""
	}
	return place
}

// Named is a real path in a slot by way of the link that names its release.
func Named(real, id string) string {
	for dir := real; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if IsPlace(dir) && PlaceOf(filepath.Dir(dir), id) == filepath.Base(dir) {
			return filepath.Join(filepath.Dir(dir), id) + strings.TrimPrefix(real, dir)
		}
	}
	return real
}
