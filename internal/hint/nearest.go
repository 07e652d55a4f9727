package hint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hbollon/go-edlib"
)

// DidYouMean adds the known words that were most likely meant to an error about a
// word that is none of them, or else other advice.
func DidYouMean(err error, word string, known []string, most int, otherwise string) error {
	if near := Nearest(word, known, most); len(near) > 0 {
		return With(err, "did you mean %s?", strings.Join(near, ", "))
	}
	return With(err, "%s", otherwise)
}

// Nearest gives the known words that were most likely meant, best first. One slip
// is allowed for three letters, so that a short word does not match everything.
func Nearest(word string, known []string, most int) []string {
	type candidate struct {
		word  string
		slips int
	}
	var near []candidate
	allowed := max(1, len([]rune(word))/3)
	for _, one := range known {
		// Levenshtein's distance would count "gti" for "git" twice.
		if n := edlib.OSADamerauLevenshteinDistance(strings.ToLower(word), strings.ToLower(one)); n <= allowed {
			near = append(near, candidate{one, n})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.slips, b.slips), cmp.Compare(a.word, b.word))
	})
	var best []string
	for _, one := range near[:min(len(near), most)] {
		best = append(best, one.word)
	}
	return best
}
