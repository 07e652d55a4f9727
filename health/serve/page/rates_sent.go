package page

import (
	"slices"

	"relink/internal/ui"
)

// ratesSent is what a page lacks: all, or what differs from what it has.
type ratesSent struct {
	Full bool `json:"full"`
	// Of the points that the page has, those from From to Until stay, in Unix seconds.
	From     int64   `json:"from"`
	Until    int64   `json:"until"`
	Times    []int64 `json:"times"`
	Hits     []Line  `json:"hits"`
	Requests []Line  `json:"requests"`
	Marks    []mark  `json:"marks"`
}

// after is what a page that has before lacks; nil: it has nothing. The newest
// points may have changed since: a source can still be adding to them.
func (v *ratesView) after(before *ratesView) ratesSent {
	sent := ratesSent{Full: true, Marks: v.Marks}
	same := 0
	if before != nil {
		same = v.sameAs(before)
	}
	if same > 0 {
		sent.Full, sent.From, sent.Until = false, v.Times[0], v.Times[same-1]
	}
	sent.Times = append([]int64{}, v.Times[same:]...)
	sent.Hits, sent.Requests = cut(v.Hits, same), cut(v.Requests, same)
	return sent
}

// sameAs is how many of the points, from the first, are among before's.
func (v *ratesView) sameAs(before *ratesView) int {
	if len(v.Times) == 0 || !sameNames(v.Hits, before.Hits) || !sameNames(v.Requests, before.Requests) {
		return 0
	}
	skip, _ := slices.BinarySearch(before.Times, v.Times[0])
	n := 0
	for n < len(v.Times) && skip+n < len(before.Times) && v.Times[n] == before.Times[skip+n] &&
		samePoint(v.Hits, n, before.Hits, skip+n) && samePoint(v.Requests, n, before.Requests, skip+n) {
		n++
	}
	return n
}

func sameNames(a, b []Line) bool {
	return slices.EqualFunc(a, b, func(a, b Line) bool { return a.Name == b.Name })
}

func samePoint(a []Line, i int, b []Line, j int) bool {
	return slices.EqualFunc(a, b, func(a, b Line) bool {
		x, y := at(a, i), at(b, j)
		return x == y || x != nil && y != nil && *x == *y
	})
}

// cut leaves the first points out.
func cut(lines []Line, first int) []Line {
	out := make([]Line, len(lines))
	for i, line := range lines {
		out[i] = Line{Name: ui.Printable(line.Name), Values: append([]*float64{}, line.Values[min(first, len(line.Values)):]...)}
	}
	return out
}
