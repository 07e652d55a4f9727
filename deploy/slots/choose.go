package slots

import (
	"slices"

	"relink/deploy/release"
)

// turn is where the next release is made.
type turn struct {
	slot   string // "": a new one
	vacate string // the release that has to leave it first; "" for none
}

// choose takes a slot that no release is in, and of several the one that was left
// last, whose files are most like those to come. Where there is none, the oldest release
// that nobody uses leaves its slot and is kept in a folder of its own: its files stay,
// and only what OPcache knew of it is given up. With another, it is a new slot instead.
// inUse are the releases that must stay where they are.
func choose(slots []release.Slot, inUse map[string]bool, another bool) turn {
	var free, idle []release.Slot
	for _, slot := range slots {
		switch {
		case slot.Release == "" && !inUse[slot.Name]:
			free = append(free, slot)
		case slot.Release != "" && !inUse[slot.Release]:
			idle = append(idle, slot)
		}
	}
	bySealing := func(a, b release.Slot) int { return a.Sealed.Compare(b.Sealed) }
	switch {
	case len(free) > 0:
		return turn{slot: slices.MaxFunc(free, bySealing).Name}
	case !another && len(idle) > 0:
		oldest := slices.MinFunc(idle, bySealing)
		return turn{oldest.Name, oldest.Release}
	}
	return turn{}
}
