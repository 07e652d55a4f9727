package hint

import (
	"cmp"
	"slices"
	"strings"
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
		if n := slips([]rune(strings.ToLower(word)), []rune(strings.ToLower(one))); n <= allowed {
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

// slips counts letters left out, added, mistaken, or swapped with a neighbour
// (the optimal string alignment distance; Levenshtein's would count "gti" for
// "git" twice).
func slips(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			mistaken := 1
			if a[i-1] == b[j-1] {
				mistaken = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+mistaken)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
