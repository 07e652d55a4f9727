package compare

import (
	"fmt"
	"slices"

	"relink/internal/ui"
)

// line tells a pair while others are still to come.
func (p Pair) line() string {
	return fmt.Sprintf("%-11s %-12s %-11s %2d: %4.0f ms, worst %4.0f (%4.0f), p99 %4.0f (%4.0f), open %4.0f (%4.0f), served %.2f, %d failed, %d of %d old, %d misses, %.1f MB cache, %.1f MB in %d files%s",
		p.Subject, p.Way, p.Situation, p.Round, p.Command.LengthMS, p.During.WorstMS, p.Calm.WorstMS, p.During.P99MS, p.Calm.P99MS,
		p.During.OpenMS, p.Calm.OpenMS, p.Served(), p.Failures(), p.Old, p.Late, p.Misses, megabytes(p.CacheBytes), megabytes(p.Written), p.FilesWritten, p.why())
}

// brief tells a pair to who sees the short form.
func (p Pair) brief() string {
	return fmt.Sprintf("%-10s %4.1f s, worst wait %s (%s without a deploy)", p.Way, p.Command.LengthMS/1000,
		ui.Duration(ui.FromMilliseconds(p.During.WorstMS)), ui.Duration(ui.FromMilliseconds(p.Calm.WorstMS)))
}

func (p Pair) why() string {
	if p.Problem == "" {
		return ""
	}
	return "; " + p.Problem
}

func megabytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Worst is the worst wait while the deploy had an effect by that without one.
func (p Pair) Worst() float64 { return ratio(p.During.WorstMS, p.Calm.WorstMS) }

// Open is the same of the open loop.
func (p Pair) Open() float64 { return ratio(p.During.OpenMS, p.Calm.OpenMS) }

// P99 is the same of the wait that one of a hundred exceeds.
func (p Pair) P99() float64 { return ratio(p.During.P99MS, p.Calm.P99MS) }

// Served is the answers by those of a time without a deploy.
func (p Pair) Served() float64 { return ratio(p.During.PerSecond, p.Calm.PerSecond) }

// Failures are requests that failed.
func (p Pair) Failures() int {
	if p.Slow != nil && p.Slow.Problem != "" {
		return p.During.Failed + 1
	}
	return p.During.Failed
}

func ratio(of, by float64) float64 {
	if by == 0 {
		return 0
	}
	return of / by
}

// Spread is what several runs have shown.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// Of gives the spread of what a figure is in each pair.
func Of(pairs []Pair, figure func(Pair) float64) Spread {
	if len(pairs) == 0 {
		return Spread{}
	}
	var values []float64
	for _, p := range pairs {
		values = append(values, figure(p))
	}
	slices.Sort(values)
	return Spread{Median: median(values), Least: values[0], Most: values[len(values)-1]}
}

func median(sorted []float64) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
