package deploy

import (
	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/deploy/paths"
)

// instancesOf are those of the goals, in their order.
func instancesOf(goals []paths.Goal) []apps.Instance {
	all := make([]apps.Instance, len(goals))
	for i, g := range goals {
		all[i] = g.Instance
	}
	return all
}

// chosenOf are the places that the chosen instances go to.
func chosenOf(goals []paths.Goal) []moves.Destination {
	var to []moves.Destination
	for _, g := range goals {
		if g.Chosen {
			to = append(to, g.To)
		}
	}
	return to
}

// commonest is the release that most go to.
func commonest(to []moves.Destination) string {
	count, best := map[string]int{}, ""
	for _, one := range to {
		count[one.Release]++
		if count[one.Release] > count[best] {
			best = one.Release
		}
	}
	return best
}
