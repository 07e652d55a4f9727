package compare

import (
	"context"
	"fmt"

	"relink/internal/ui"
)

// Demand is what is asked of relink's deploys of a subject in a situation.
type Demand struct {
	Name   string
	Plan   Plan // of one way, which Meet sets
	Rounds int
	Bounds []Bound
}

// Bound is a figure, whose median of all pairs has to keep it.
type Bound struct {
	Name   string
	Value  float64 // at most, or with Floor at least
	Floor  bool
	figure func(Pair) float64
}

var (
	worst      = Bound{Name: "worst wait / without a deploy", figure: func(p Pair) float64 { return ratio(p.Command.WorstMS, p.CommandCalm.WorstMS) }}
	throughput = Bound{Name: "requests served / without a deploy", Floor: true, figure: func(p Pair) float64 { return ratio(p.Command.PerSecond, p.CommandCalm.PerSecond) }}
	compiled   = Bound{Name: "scripts compiled", figure: func(p Pair) float64 { return float64(p.Misses) }}
	spent      = Bound{Name: "MB of OPcache spent", figure: func(p Pair) float64 { return megabytes(p.CacheBytes) }}
	files      = Bound{Name: "files written / files", figure: func(p Pair) float64 { return ratio(float64(p.FilesWritten), float64(p.Files)) }}
	failed     = Bound{Name: "requests failed", figure: func(p Pair) float64 { return float64(p.Failures()) }}
	old        = Bound{Name: "old answers after the command", figure: func(p Pair) float64 { return float64(p.Old) }}
)

func (b Bound) of(value float64) Bound { b.Value = value; return b }

// Demands are what relink has to keep, of each way that is asked for. packages is where
// MediaWiki is kept.
func Demands(packages string) []Demand {
	never := []Bound{failed.of(0), old.of(0)}
	wiki := MediaWiki(packages)
	return []Demand{
		{"generated", Plan{Subject: Generated, Situations: []Situation{Closed}}, 9, append(never, worst.of(1.3))},
		{"generated-slow", Plan{Subject: Generated, Situations: []Situation{ClosedSlow}}, 9, append(never, worst.of(1.3))},
		{"generated-whole", Plan{Subject: Generated, Situations: []Situation{Closed}, Whole: true}, 9, append(never, worst.of(1.3))},
		{"mediawiki", Plan{Subject: wiki, Situations: []Situation{Closed}}, 9,
			append(never, worst.of(1.5), throughput.of(0.85), compiled.of(10), spent.of(1), files.of(0.01))},
		{"mediawiki-whole", Plan{Subject: wiki, Situations: []Situation{Closed}, Whole: true}, 5, append(never, worst.of(1.5))},
	}
}

// Kept is what was measured of a demand.
type Kept struct {
	Demand string  `json:"demand"`
	Way    string  `json:"way"`
	Figure string  `json:"figure"`
	Asked  float64 `json:"asked"`
	Floor  bool    `json:"floor,omitempty"` // at least, not at most
	Pairs  int     `json:"pairs"`
	Spread
}

// Holds by the median.
func (k Kept) Holds() bool {
	if k.Floor {
		return k.Median >= k.Asked
	}
	return k.Median <= k.Asked
}

// Meet measures whether a way keeps it.
func (d Demand) Meet(ctx context.Context, way Way, executable string, say func(string, ...any)) (all []Kept, err error) {
	plan := d.Plan
	plan.Ways = []Way{way}
	pairs, err := Run(ctx, Comparison{Plans: []Plan{plan}, Rounds: d.Rounds, Executable: executable, Say: say})
	for _, b := range d.Bounds {
		all = append(all, Kept{d.Name, way.Name, b.Name, b.Value, b.Floor, len(pairs), Of(pairs, b.figure)})
	}
	return all, err
}

// Asked is a table of what is asked and what was measured.
func Asked(all []Kept) string {
	table := ui.NewTable(tableWidth, "", "SET-UP", "ASKED", "MEASURED", "FROM", "TO", "").Right(2, 3, 4, 5)
	demand := ""
	for _, k := range all {
		if k.Demand != demand {
			demand = k.Demand
			table.Row(fmt.Sprintf("%s, %d pairs", demand, k.Pairs), k.Way)
		}
		sign, verdict := "<=", "holds"
		if k.Floor {
			sign = ">="
		}
		if !k.Holds() {
			verdict = "DOES NOT HOLD"
		}
		table.Row("  "+k.Figure, "", fmt.Sprintf("%s %.4g", sign, k.Asked), short(k.Median), short(k.Least), short(k.Most), verdict)
	}
	return table.String()
}

const tableWidth = 100

func short(value float64) string { return fmt.Sprintf("%.3g", value) }
