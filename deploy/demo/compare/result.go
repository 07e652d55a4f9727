package compare

import (
	"cmp"
	"maps"
	"slices"
)

// Result is what was measured, and where.
type Result struct {
	Commit  string  `json:"commit"`
	Date    string  `json:"date"`
	Machine Machine `json:"machine"`
	Pairs   []Pair  `json:"pairs"`
	Kept    []Kept  `json:"kept"`
}

// Machine is what it was measured on, in words.
type Machine struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	System string `json:"system"`
	Apache string `json:"apache"`
	PHP    string `json:"php"`
}

// Of are the pairs of a subject in a situation by one way.
func (r Result) Of(subject, situation, way string) (found []Pair) {
	for _, p := range r.Pairs {
		if p.Subject == subject && p.Situation == situation && p.Way == way {
			found = append(found, p)
		}
	}
	return found
}

// Ways are all, in the order of tables.
func Ways() []Way { return slices.Concat([]Way{Without}, ByHand, Relink) }

// Runs are how often a way was measured, the fewest.
func (r Result) Runs() int {
	counts := map[[3]string]int{}
	for _, p := range r.Pairs {
		counts[[3]string{p.Subject, p.Situation, p.Way}]++
	}
	if len(counts) == 0 {
		return 0
	}
	return slices.Min(slices.Collect(maps.Values(counts)))
}

// Replace puts what was measured of a subject in some situations in the place of what there
// was of it.
func (r *Result) Replace(pairs []Pair) {
	anew := func(was Pair) bool {
		return slices.ContainsFunc(pairs, func(p Pair) bool { return p.Subject == was.Subject && p.Situation == was.Situation })
	}
	r.Pairs = append(slices.DeleteFunc(r.Pairs, anew), pairs...)
}

// Keep puts what was measured of a demand in the place of what there was of it.
func (r *Result) Keep(measured []Kept) {
	r.Kept = slices.DeleteFunc(r.Kept, func(was Kept) bool {
		return slices.ContainsFunc(measured, func(k Kept) bool { return k.Demand == was.Demand && k.Way == was.Way })
	})
	r.Kept = append(r.Kept, measured...)
	slices.SortStableFunc(r.Kept, func(a, b Kept) int { return cmp.Or(cmp.Compare(a.Demand, b.Demand), cmp.Compare(a.Way, b.Way)) })
}
