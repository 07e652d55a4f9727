package links

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A slot is a folder of the releases folder in which releases take turns, so that the
// files which they have in common keep the real path under which OPcache knows them. A
// link `<id> -> slot-3` says which release is in it, and one in RecordDir the other way
// round: a real path leads through the slot, and the release is what people ask for.
const (
	slotPrefix = "slot-"
	// RecordDir is where, in the releases folder, things are noted of releases and slots.
	RecordDir = ".relink"
)

// SlotName is the name of the nth slot.
func SlotName(n int) string { return slotPrefix + strconv.Itoa(n) }

// SlotNumber tells a slot's number; 0 for what is no slot's name.
func SlotNumber(name string) int {
	digits, ok := strings.CutPrefix(name, slotPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n <= 0 || SlotName(n) != name {
		return 0
	}
	return n
}

// IsSlot tells whether a folder of releases is a slot, by its name.
func IsSlot(folder string) bool { return SlotNumber(filepath.Base(folder)) > 0 }

// OutsideSlots leaves out slots, of folders that nobody uses: what OPcache holds of them
// is what the next release in them is going to need.
func OutsideSlots(folders []string) []string {
	return slices.DeleteFunc(slices.Clone(folders), IsSlot)
}

// LastIn is the release that was sealed in a slot last, whether it is in it still.
func LastIn(releases, slot string) string {
	id, err := os.Readlink(filepath.Join(releases, RecordDir, slot))
	if err != nil || filepath.Base(id) != id {
		return ""
	}
	return id
}

// Occupant is the release in a slot of the releases folder; "" for none. It takes both
// links: a crash may have left one.
func Occupant(releases, slot string) string {
	id := LastIn(releases, slot)
	if id == "" {
		return ""
	}
	if back, err := os.Readlink(filepath.Join(releases, id)); err != nil || back != slot {
		return ""
	}
	return id
}

// Occupants are the releases in the slots of the releases folder, by the slots' names.
func Occupants(releases string) map[string]string {
	all := map[string]string{}
	entries, _ := os.ReadDir(releases) // no folder, no slots
	for _, entry := range entries {
		if !IsSlot(entry.Name()) {
			continue
		}
		if id := Occupant(releases, entry.Name()); id != "" {
			all[entry.Name()] = id
		}
	}
	return all
}

// SlotOf is the slot that a release is in; "" where it has a folder of its own.
func SlotOf(releases, id string) string {
	slot, err := os.Readlink(filepath.Join(releases, id))
	if err != nil || SlotNumber(slot) == 0 || Occupant(releases, slot) != id {
		return ""
	}
	return slot
}

// Named is a real path in a slot by way of the link that names its release.
func Named(real, id string) string {
	for dir := real; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if IsSlot(dir) && SlotOf(filepath.Dir(dir), id) == filepath.Base(dir) {
			return filepath.Join(filepath.Dir(dir), id) + strings.TrimPrefix(real, dir)
		}
	}
	return real
}
