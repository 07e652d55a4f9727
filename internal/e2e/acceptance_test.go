package e2e

import (
	"context"
	"fmt"
	"testing"

	"relink/deploy/demo/compare"
	"relink/internal/ui"
)

// demand is what is asked of relink's deploys of a subject in a situation.
type demand struct {
	Name   string
	Plan   compare.Plan // of one way, which meet sets
	Rounds int
	Bounds []bound
}

// bound is a figure, whose median of all pairs has to keep it.
type bound struct {
	Name   string
	Value  float64 // at most, or with Floor at least
	Floor  bool
	figure func(compare.Pair) float64
}

// The figures of bounds.
var (
	worst      = bound{Name: "worst wait / without a deploy", figure: func(p compare.Pair) float64 { return p.Command.WorstMS / p.CommandCalm.WorstMS }}
	throughput = bound{Name: "requests served / without a deploy", Floor: true, figure: func(p compare.Pair) float64 { return p.Command.PerSecond / p.CommandCalm.PerSecond }}
	compiled   = bound{Name: "scripts compiled", figure: func(p compare.Pair) float64 { return float64(p.Misses) }}
	spent      = bound{Name: "MB of OPcache spent", figure: func(p compare.Pair) float64 { return float64(p.CacheBytes) / (1 << 20) }}
	changed    = bound{Name: "files written / files", figure: func(p compare.Pair) float64 { return float64(p.FilesWritten) / float64(p.Files) }}
	broken     = bound{Name: "requests failed", figure: func(p compare.Pair) float64 { return float64(p.Failures()) }}
	oldAnswers = bound{Name: "old answers after the command", figure: func(p compare.Pair) float64 { return float64(p.Old) }}
)

func (b bound) of(value float64) bound { b.Value = value; return b }

// The closed loop alone, so that a pair is of as much load as the machine takes.
var (
	closed     = compare.Situation{Name: "closed", Title: "closed loop", Load: true, Alone: true}
	closedSlow = compare.Situation{Name: "closed-slow", Title: "closed loop, a request of 5 s in flight", Load: true, Slow: true}
)

// demands are what relink has to keep, of each way that is asked for.
func demands() []demand {
	never := []bound{broken.of(0), oldAnswers.of(0)}
	small := compare.Plan{Subject: compare.Generated, Situations: []compare.Situation{closed}}
	slow := compare.Plan{Subject: compare.Generated, Situations: []compare.Situation{closedSlow}}
	large := compare.Plan{Subject: mediaWiki(), Situations: []compare.Situation{closed}}
	smallWhole, largeWhole := small, large
	smallWhole.Whole, largeWhole.Whole = true, true
	return []demand{
		{"generated", small, 27, append(never, worst.of(1.3))},
		{"generated-slow", slow, 9, append(never, worst.of(1.3))},
		{"generated-whole", smallWhole, 9, append(never, worst.of(1.3))},
		{"mediawiki", large, 9, append(never, worst.of(1.5), throughput.of(0.85), compiled.of(10), spent.of(1), changed.of(0.01))},
		{"mediawiki-whole", largeWhole, 5, append(never, worst.of(1.5))},
	}
}

// kept is what was measured of a demand.
type kept struct {
	Demand string  `json:"demand"`
	Way    string  `json:"way"`
	Figure string  `json:"figure"`
	Asked  float64 `json:"asked"`
	Floor  bool    `json:"floor,omitempty"` // at least, not at most
	Pairs  int     `json:"pairs"`
	compare.Spread
}

// holds by the median.
func (k kept) holds() bool {
	if k.Floor {
		return k.Median >= k.Asked
	}
	return k.Median <= k.Asked
}

// meet measures whether a way keeps it.
func (d demand) meet(ctx context.Context, way compare.Way, executable string, say func(string, ...any)) (all []kept, err error) {
	plan := d.Plan
	plan.Ways = []compare.Way{way}
	pairs, err := compare.Run(ctx, compare.Comparison{Plans: []compare.Plan{plan}, Rounds: d.Rounds, Executable: executable, Say: say})
	for _, b := range d.Bounds {
		all = append(all, kept{d.Name, way.Name, b.Name, b.Value, b.Floor, len(pairs), compare.Of(pairs, b.figure)})
	}
	return all, err
}

// askedTable is a table of what is asked and what was measured.
func askedTable(all []kept) string {
	table := ui.NewTable(tableWidth, "", "SET-UP", "ASKED", "MEASURED", "FROM", "TO", "").Right(2, 3, 4, 5)
	above := ""
	for _, k := range all {
		if k.Demand != above {
			above = k.Demand
			table.Row(fmt.Sprintf("%s, %d pairs", k.Demand, k.Pairs), k.Way)
		}
		sign, verdict := "<=", "holds"
		if k.Floor {
			sign = ">="
		}
		if !k.holds() {
			verdict = "DOES NOT HOLD"
		}
		table.Row("  "+k.Figure, "", fmt.Sprintf("%s %.4g", sign, k.Asked), short(k.Median), short(k.Least), short(k.Most), verdict)
	}
	return table.String()
}

const tableWidth = 100

func short(value float64) string { return fmt.Sprintf("%.3g", value) }

// A bound can be missed, in both directions.
func TestKept(t *testing.T) {
	for _, one := range []struct {
		bound  bound
		median float64
		want   bool
	}{{worst.of(1.3), 1.3, true}, {worst.of(1.3), 1.31, false}, {throughput.of(0.85), 0.85, true}, {throughput.of(0.85), 0.84, false}} {
		if got := (kept{Asked: one.bound.Value, Floor: one.bound.Floor, Spread: compare.Spread{Median: one.median}}).holds(); got != one.want {
			t.Errorf("%s: %g of %g: %t", one.bound.Name, one.median, one.bound.Value, got)
		}
	}
}
