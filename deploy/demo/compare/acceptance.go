package compare

import (
	"context"
	"fmt"
	"strings"
)

// Demand is what is asked of relink's deploys of a subject in a situation.
type Demand struct {
	Name   string
	Plan   Plan // of one way; Run sets it
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
	failed     = Bound{Name: "requests failed", figure: func(p Pair) float64 { return float64(p.failures()) }}
	old        = Bound{Name: "old answers after the command", figure: func(p Pair) float64 { return float64(p.Old) }}
)

func (b Bound) of(value float64) Bound { b.Value = value; return b }

// Demands are what relink has to keep, of each way that is asked for. packages is where
// MediaWiki is kept.
func Demands(packages string) []Demand {
	never := []Bound{failed.of(0), old.of(0)}
	wiki := MediaWiki(packages)
	return []Demand{
		{"generated", Plan{Subject: Generated, Situations: []Situation{Closed}, Rounds: 9}, append(never, worst.of(1.3))},
		{"generated-slow", Plan{Subject: Generated, Situations: []Situation{ClosedSlow}, Rounds: 9}, append(never, worst.of(1.3))},
		{"generated-whole", Plan{Subject: Generated, Situations: []Situation{Closed}, Rounds: 9, Whole: true}, append(never, worst.of(1.3))},
		{"mediawiki", Plan{Subject: wiki, Situations: []Situation{Closed}, Rounds: 9},
			append(never, worst.of(1.5), throughput.of(0.85), compiled.of(10), spent.of(1), files.of(0.01))},
		{"mediawiki-whole", Plan{Subject: wiki, Situations: []Situation{Closed}, Rounds: 5, Whole: true}, append(never, worst.of(1.5))},
	}
}

// Kept is what was measured of a demand.
type Kept struct {
	Bound
	Spread
}

// Holds by the median.
func (k Kept) Holds() bool {
	if k.Floor {
		return k.Median >= k.Value
	}
	return k.Median <= k.Value
}

// Meet measures whether a way keeps it.
func (d Demand) Meet(ctx context.Context, way Way, executable string, say func(string, ...any)) ([]Kept, error) {
	plan := d.Plan
	plan.Ways, plan.Executable, plan.Say = []Way{way}, executable, say
	pairs, err := Run(ctx, plan)
	var all []Kept
	for _, bound := range d.Bounds {
		all = append(all, Kept{bound, Of(pairs, bound.figure)})
	}
	return all, err
}

// Table shows what is asked and what was measured.
func (d Demand) Table(way Way, kept []Kept) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d pairs\n", d.Name, way.Title, d.Plan.Rounds)
	for _, k := range kept {
		sign, verdict := "<=", "holds"
		if k.Floor {
			sign = ">="
		}
		if !k.Holds() {
			verdict = "DOES NOT HOLD"
		}
		fmt.Fprintf(&b, "  %-36s asked %s %-5.4g measured %-6.3g (%.3g to %.3g)  %s\n", k.Name, sign, k.Value, k.Median, k.Spread.Least, k.Most, verdict)
	}
	return b.String()
}
