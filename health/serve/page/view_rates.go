package page

import (
	"slices"
	"time"

	"relink/internal/ui"
)

const (
	mostLines = 6  // of a chart; further pools are added up to one
	tableRows = 12 // of the table that says what the charts show
)

// ratesView is what the charts and their table show.
type ratesView struct {
	Times    []int64
	Hits     []Line
	Requests []Line
	Marks    []mark // the cut-overs within the time that is shown
	More     int    // caches that are left out
}

// mark is a cut-over.
type mark struct {
	Time int64  `json:"time"` // Unix seconds
	Name string `json:"name"`
}

func ratesOf(s Snapshot) ratesView {
	v := ratesView{Times: s.Rates.Times, Hits: s.Rates.HitRatio, Requests: s.Rates.Requests, Marks: []mark{}}
	if len(v.Hits) > mostLines {
		v.More = len(v.Hits) - mostLines
		v.Hits = v.Hits[:mostLines]
	}
	if len(v.Requests) > mostLines {
		rest := Line{Name: ui.Plural(len(v.Requests)-mostLines+1, "other pool"), Values: sum(v.Requests[mostLines-1:])}
		v.Requests = append(slices.Clone(v.Requests[:mostLines-1]), rest)
	}
	for _, d := range s.Deploys {
		if done := d.cutover(); len(v.Times) > 0 && d.CutoverMS > 0 && done.Unix() >= v.Times[0] {
			v.Marks = append(v.Marks, mark{done.Unix(), d.App + " " + d.Release})
		}
	}
	return v
}

// sum adds lines up, where any is known.
func sum(lines []Line) []*float64 {
	return fold(lines, func(a, b float64) float64 { return a + b })
}

func fold(lines []Line, with func(a, b float64) float64) []*float64 {
	var out []*float64
	for _, line := range lines {
		for i, value := range line.Values {
			if i == len(out) {
				out = append(out, nil)
			}
			if value == nil {
				continue
			}
			if out[i] == nil {
				out[i] = value
			} else {
				out[i] = new(with(*out[i], *value))
			}
		}
	}
	return out
}

func newest(values []*float64) *float64 { return at(Line{Values: values}, len(values)-1) }

// rateRow is one time in the table.
type rateRow struct {
	Time     time.Time
	Hits     []string
	Requests []string
}

// Rows are samples at round times, newest first, so that a new sample seldom
// changes the table.
func (v ratesView) Rows() []rateRow {
	var rows []rateRow
	step := v.step()
	for i := len(v.Times) - 1; i >= 0 && len(rows) < tableRows; i-- {
		if i > 0 && v.Times[i]/step == v.Times[i-1]/step {
			continue // not the first sample of its step
		}
		row := rateRow{Time: time.Unix(v.Times[i], 0)}
		for _, line := range v.Hits {
			row.Hits = append(row.Hits, ratioText(at(line, i)))
		}
		for _, line := range v.Requests {
			row.Requests = append(row.Requests, perSecond(at(line, i)))
		}
		rows = append(rows, row)
	}
	return rows
}

// step is the shortest round time, in seconds, that lets the table hold all.
func (v ratesView) step() int64 {
	steps := []int64{5, 15, 60, 300, 900, 3600, 3 * 3600}
	if len(v.Times) > 0 {
		for _, step := range steps {
			if (v.Times[len(v.Times)-1]-v.Times[0])/step < tableRows {
				return step
			}
		}
	}
	return 24 * 3600
}

func at(l Line, i int) *float64 {
	if i < 0 || i >= len(l.Values) {
		return nil
	}
	return l.Values[i]
}

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
