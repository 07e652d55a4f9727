package compare

import (
	"fmt"

	"relink/internal/ui"
)

// terminal is as wide as a summary may be.
const terminal = 80

// Summary compares the ways in a situation, for a terminal.
func (p Pairs) Summary(subject Subject, at Situation) string {
	table := ui.NewTable(terminal, "", "FAILED", "OLD", "WORST", "SERVED", "TOOK", "COMPILED", "WRITTEN").Right(1, 2, 3, 4, 5, 6, 7)
	for _, way := range Ways() {
		pairs := p.By(subject.Name, at.Name, way.Name)
		if len(pairs) == 0 {
			continue
		}
		row := []string{way.Title, ui.Count(sum(pairs, Pair.Failures)), ui.Count(sum(pairs, func(p Pair) int { return p.Old })),
			times(Of(pairs, Pair.Worst).Median), percent(Of(pairs, Pair.Served).Median), "-", "-", "-"}
		if way.run != nil {
			row[5] = seconds(Of(pairs, func(p Pair) float64 { return p.Command.LengthMS }).Median)
			row[6] = ui.Count(int(Of(pairs, func(p Pair) float64 { return float64(p.Misses) }).Median))
			row[7] = ui.Bytes(int64(Of(pairs, func(p Pair) float64 { return float64(p.Written) }).Median))
		}
		table.Row(row...)
	}
	return table.String()
}

func sum(pairs []Pair, figure func(Pair) int) (n int) {
	for _, p := range pairs {
		n += figure(p)
	}
	return n
}

func times(factor float64) string  { return fmt.Sprintf("%.1fx", factor) }
func percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }
func seconds(ms float64) string    { return fmt.Sprintf("%.1f s", ms/1000) }
