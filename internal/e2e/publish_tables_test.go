package e2e

import (
	"fmt"
	"slices"
	"strings"

	"relink/deploy/demo/compare"
	"relink/internal/ui"
)

// ways is the table of all ways in a situation.
func ways(r measurements, subject, situation string) string {
	if !slices.ContainsFunc(r.Pairs, func(p compare.Pair) bool { return p.Subject == subject && p.Situation == situation }) {
		return "Not measured yet.\n"
	}
	var b strings.Builder
	b.WriteString("| way | failed | old answers | worst | worst, open | p99 | served | command | compiled | OPcache | written |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, way := range compare.Ways() {
		pairs := r.Pairs.By(subject, situation, way.Name)
		if len(pairs) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(append([]string{way.Title}, cells(way, pairs)...), " | "))
	}
	return b.String()
}

func cells(way compare.Way, pairs compare.Pairs) []string {
	shown := []string{failures(pairs), olds(pairs),
		relative(compare.Of(pairs, compare.Pair.Worst)), relative(compare.Of(pairs, compare.Pair.Open)),
		relative(compare.Of(pairs, compare.Pair.P99)), relative(compare.Of(pairs, compare.Pair.Served))}
	if way.Name == compare.Without.Name {
		return append(shown, "", "", "", "")
	}
	middle := func(of func(compare.Pair) float64) float64 { return compare.Of(pairs, of).Median }
	return append(shown,
		fmt.Sprintf("%.2f s", middle(func(p compare.Pair) float64 { return p.Command.LengthMS / 1000 })),
		ui.Count(int(middle(func(p compare.Pair) float64 { return float64(p.Misses) }))),
		cache(pairs, middle(func(p compare.Pair) float64 { return float64(p.CacheBytes) / (1 << 20) })),
		fmt.Sprintf("%.1f MB", middle(func(p compare.Pair) float64 { return float64(p.Written) / (1 << 20) })))
}

// cache is what a deploy has taken of OPcache, if that was not emptied.
func cache(pairs compare.Pairs, megabytes float64) string {
	for _, p := range pairs {
		if p.Restarted {
			return "emptied"
		}
	}
	return fmt.Sprintf("%.1f MB", max(0, megabytes))
}

func failures(pairs compare.Pairs) string {
	requests, slow := 0, 0
	failed := 0
	for _, p := range pairs {
		failed += p.Failures()
		requests += p.During.Answered + p.Failures()
		if p.Slow != nil && p.Slow.Problem != "" {
			slow++
		}
	}
	switch {
	case failed == 0:
		return "0"
	case slow > 0:
		return fmt.Sprintf("%s of %s, and %d of %d slow ones", ui.Count(failed-slow), ui.Count(requests), slow, len(pairs))
	}
	return fmt.Sprintf("%s of %s", ui.Count(failed), ui.Count(requests))
}

func olds(pairs compare.Pairs) string {
	old, all := 0, 0
	for _, p := range pairs {
		old, all = old+p.Old, all+p.Late
	}
	if old == 0 {
		return "0"
	}
	return fmt.Sprintf("%s of %s", ui.Count(old), ui.Count(all))
}

// relative is a ratio's median with its spread.
func relative(s compare.Spread) string {
	return fmt.Sprintf("%s (%s-%s)", figure(s.Median), figure(s.Least), figure(s.Most))
}

// figure has as many digits as a ratio is worth.
func figure(value float64) string {
	if value >= 10 {
		return fmt.Sprintf("%.0f", value)
	}
	return fmt.Sprintf("%.2f", value)
}

func asked(all []kept) string {
	if len(all) == 0 {
		return "Not measured yet.\n"
	}
	var b strings.Builder
	b.WriteString("| deploy | set-up | figure | asked | measured | |\n|---|---|---|--:|--:|---|\n")
	for _, k := range all {
		sign, verdict := "at most", "holds"
		if k.Floor {
			sign = "at least"
		}
		if !k.holds() {
			verdict = "**does not hold**"
		}
		fmt.Fprintf(&b, "| %s, %d pairs | %s | %s | %s %.4g | %s | %s |\n", k.Demand, k.Pairs, k.Way, k.Figure, sign, k.Asked, relative(k.Spread), verdict)
	}
	return b.String()
}
