package paths

import (
	"relink/deploy/moves"
	"relink/internal/config"
)

// InstancesOf are those of the goals, in their order.
func InstancesOf(goals []Goal) []config.Instance {
	all := make([]config.Instance, len(goals))
	for i, g := range goals {
		all[i] = g.Instance
	}
	return all
}

// ChosenOf are the places that the chosen instances go to.
func ChosenOf(goals []Goal) []moves.Destination {
	var to []moves.Destination
	for _, g := range goals {
		if g.Chosen {
			to = append(to, g.To)
		}
	}
	return to
}

// Commonest is the release that most go to.
func Commonest(to []moves.Destination) string {
	count, best := map[string]int{}, ""
	for _, one := range to {
		count[one.Release]++
		if count[one.Release] > count[best] {
			best = one.Release
		}
	}
	return best
}
