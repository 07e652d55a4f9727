package compare

import "slices"

// Pairs are what was measured.
type Pairs []Pair

// By are those of a subject in a situation by one way.
func (p Pairs) By(subject, situation, way string) (found Pairs) {
	for _, one := range p {
		if one.Subject == subject && one.Situation == situation && one.Way == way {
			found = append(found, one)
		}
	}
	return found
}

// Ways are all, in the order of tables.
func Ways() []Way { return slices.Concat([]Way{Without}, ByHand, Relink) }
