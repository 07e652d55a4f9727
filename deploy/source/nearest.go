package source

import (
	"cmp"
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

const (
	mostSuggestions = 5
	leastSimilarity = 0.65
)

// nearest gives the names most like the one asked for, best first.
func nearest(name string, names []string) []string {
	type scored struct {
		name  string
		score float64
	}
	var near []scored
	for _, candidate := range names {
		score := smetrics.JaroWinkler(strings.ToLower(name), strings.ToLower(candidate), 0.7, 4)
		if score >= leastSimilarity {
			near = append(near, scored{candidate, score})
		}
	}
	slices.SortFunc(near, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.name, b.name))
	})
	var best []string
	for _, s := range near[:min(len(near), mostSuggestions)] {
		best = append(best, s.name)
	}
	return best
}
