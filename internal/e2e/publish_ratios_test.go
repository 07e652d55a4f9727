package e2e

import (
	"fmt"
	"slices"

	"relink/deploy/demo/compare"
	"relink/internal/ui"
)

// ratio is a figure of relink's deploys by another one of the same run, so that it is much
// the same on any machine.
type ratio struct {
	Name  string `json:"name"`
	Floor bool   `json:"floor,omitempty"` // more is better
	compare.Spread
}

// byHand is the way that costs are compared with.
const byHand = "reload-0"

// kinds are the ratios that are looked at. by is the pair of byHand in the same round.
var kinds = []struct {
	name  string
	floor bool
	of    func(p, by compare.Pair) float64
}{
	{"worst wait / without a deploy", false, func(p, _ compare.Pair) float64 { return p.Worst() }},
	{"p99 / without a deploy", false, func(p, _ compare.Pair) float64 { return p.P99() }},
	{"served / without a deploy", true, func(p, _ compare.Pair) float64 { return p.Served() }},
	{"scripts compiled / files", false, func(p, _ compare.Pair) float64 { return float64(p.Misses) / float64(p.Files) }},
	{"files written / files", false, func(p, _ compare.Pair) float64 { return float64(p.FilesWritten) / float64(p.Files) }},
	{"processor time / by hand", false, func(p, by compare.Pair) float64 { return p.CPUMS / by.CPUMS }},
	{"bytes written / by hand", false, func(p, by compare.Pair) float64 { return float64(p.Written) / float64(max(1, by.Written)) }},
	{"requests failed", false, func(p, _ compare.Pair) float64 { return float64(p.Failures()) }},
	{"old answers", false, func(p, _ compare.Pair) float64 { return float64(p.Old) }},
}

// checkedWays are the ways of which there are ratios.
var checkedWays = compare.Relink[:3]

// ratiosOf are those of deploys of the small application under load.
func ratiosOf(r measurements) (all []ratio) {
	of := func(way string) compare.Pairs { return r.Pairs.By(compare.Generated.Name, compare.Loaded.Name, way) }
	other := map[int]compare.Pair{}
	for _, p := range of(byHand) {
		other[p.Round] = p
	}
	for _, way := range checkedWays {
		pairs := of(way.Name)
		if len(pairs) == 0 {
			continue
		}
		for _, kind := range kinds {
			spread := compare.Of(pairs, func(p compare.Pair) float64 { return kind.of(p, other[p.Round]) })
			all = append(all, ratio{way.Name + ": " + kind.name, kind.floor, spread})
		}
	}
	return all
}

// narrowest is the spread that is taken where there was less: a script, or a file.
const narrowest = 0.02

// worsened tells which ratios are worse than they were by more than their spread.
func worsened(was, now []ratio) (told []string) {
	by := map[string]ratio{}
	for _, one := range now {
		by[one.Name] = one
	}
	for _, one := range was {
		measured, is := by[one.Name]
		spread := max(one.Most-one.Least, narrowest)
		worse := measured.Median - one.Median
		if one.Floor {
			worse = -worse
		}
		switch {
		case !is:
			told = append(told, one.Name+": not measured")
		case worse > spread:
			told = append(told, fmt.Sprintf("%s: %.3g, was %.3g (%.3g to %.3g)", one.Name, measured.Median, one.Median, one.Least, one.Most))
		}
	}
	return told
}

// bothRatios is a table of both.
func bothRatios(was, now []ratio) string {
	table := ui.NewTable(tableWidth, "RATIO", "WAS", "FROM", "TO", "NOW", "FROM", "TO").Right(1, 2, 3, 4, 5, 6)
	for _, one := range was {
		shown := []string{one.Name, figure(one.Median), figure(one.Least), figure(one.Most)}
		if at := slices.IndexFunc(now, func(r ratio) bool { return r.Name == one.Name }); at >= 0 {
			shown = append(shown, figure(now[at].Median), figure(now[at].Least), figure(now[at].Most))
		}
		table.Row(shown...)
	}
	return table.String()
}
