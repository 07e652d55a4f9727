package e2e

import (
	"fmt"
	"slices"
	"strings"
	"text/template"

	_ "embed"

	"relink/deploy/demo/compare"
)

//go:embed testdata/chart.svg.tmpl
var chartTemplate string

var chart = template.Must(template.New("chart").Parse(chartTemplate))

const (
	labelWidth   = 250
	plotWidth    = 620
	rowHeight    = 44
	plotHeight   = 34
	topSpace     = 34
	seriesRate   = 10  // values of a series
	shownSeconds = 10  // seconds that are shown
	ceiling      = 1.5 // of a row, by the requests without a deploy
)

// row is one way through a deploy.
type row struct {
	Title          string
	Y              int
	Area           string // the path of its requests
	From, To, Base float64
	Command        float64 // width
}

// chartOf draws the requests per 100 ms through a deploy by each way: of its runs the one
// with the median of the worst waits.
func chartOf(r measurements, subject, situation, title string) string {
	seconds := 0.0
	var rows []row
	for _, way := range compare.Ways() {
		if pairs := r.Pairs.By(subject, situation, way.Name); len(pairs) > 0 {
			seconds = max(seconds, float64(len(typical(pairs).Series))/seriesRate)
		}
	}
	perSecond := plotWidth / min(max(seconds, 2), shownSeconds+1)
	for _, way := range compare.Ways() {
		if pairs := r.Pairs.By(subject, situation, way.Name); len(pairs) > 0 {
			rows = append(rows, draw(way, typical(pairs), len(rows), perSecond))
		}
	}
	var b strings.Builder
	err := chart.Execute(&b, map[string]any{
		"Title": title, "Rows": rows, "Width": labelWidth + plotWidth + 10, "Height": topSpace + rowHeight*len(rows) + 24,
		"Left": labelWidth, "Right": labelWidth + plotWidth, "Zero": labelWidth + perSecond, "Bottom": topSpace + rowHeight*len(rows), "Ticks": ticks(perSecond),
	})
	if err != nil {
		panic(err) // the template is in the binary
	}
	return b.String()
}

// typical is the pair whose worst wait is the median of all.
func typical(pairs compare.Pairs) compare.Pair {
	sorted := slices.SortedFunc(slices.Values(pairs), func(a, b compare.Pair) int { return int(a.During.WorstMS - b.During.WorstMS) })
	return sorted[len(sorted)/2]
}

func draw(way compare.Way, p compare.Pair, number int, perSecond float64) row {
	y := topSpace + rowHeight*number
	base := float64(y + plotHeight)
	calm := p.Calm.PerSecond / seriesRate
	step := perSecond / seriesRate
	var area strings.Builder
	fmt.Fprintf(&area, "M%d %.1f", labelWidth, base)
	x := float64(labelWidth)
	for _, answers := range p.Series {
		if x+step > labelWidth+plotWidth+0.5 {
			break
		}
		height := min(float64(answers)/max(calm, 1), ceiling) / ceiling * plotHeight
		fmt.Fprintf(&area, "V%.1fh%.2f", base-height, step)
		x += step
	}
	fmt.Fprintf(&area, "V%.1fZ", base)
	width := 0.0
	if way.Name != compare.Without.Name {
		width = min(p.Command.LengthMS/1000*perSecond, labelWidth+plotWidth-(labelWidth+perSecond))
	}
	return row{Title: way.Title, Y: y, Area: area.String(), From: labelWidth, To: x, Base: base, Command: width}
}

// tickMark is a seriesRate on the axis.
type tickMark struct {
	X    float64
	Text string
}

func ticks(perSecond float64) (all []tickMark) {
	for n := -1; float64(n+1)*perSecond <= plotWidth+1; n++ {
		all = append(all, tickMark{labelWidth + float64(n+1)*perSecond, fmt.Sprintf("%d s", n)})
	}
	return all
}
