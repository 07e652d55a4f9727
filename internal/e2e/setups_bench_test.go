package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
)

// The set-ups that the benchmarks compare, those of keyed first. "keyed-fresh" has
// not seen a deploy yet: all its keys are alive, as they never are again (a key
// that leads to an invalidated script costs a lock and a look-up at each request).
var (
	underFPM = []plan{
		{name: "keyed-fresh", fresh: true},
		{name: "keyed"},
		{name: "revalidated", revalidate: true},
		{name: "resolved", resolved: true},
	}
	underModPHP = []plan{
		{name: "keyed-fresh", web: sandbox.WebApachePrefork, fresh: true},
		{name: "keyed", web: sandbox.WebApachePrefork},
		{name: "resolved-no-lua", web: sandbox.WebApachePrefork, resolved: true},
		{name: "resolved", web: sandbox.WebApachePrefork, resolved: true, lua: true},
	}
)

const (
	keyedPlans = 2                       // that the others are compared with
	pairs      = 7                       // rounds over the set-ups
	window     = 1500 * time.Millisecond // of each set-up in a round
)

func wiki(ctx context.Context, _ string) (app.App, error) { return app.Fetch(ctx, "") }

// pages of the throughput benchmark.
var pages = []struct {
	name string
	make func(context.Context, string) (app.App, error)
	path string // "" is all of the application's
}{
	{"one-file", synthetic, "/release.php"},
	{"300-require", synthetic, "/index.php?n=300"},
	{"300-require_once", synthetic, "/index.php?n=300&once=1"},
	{"dokuwiki", wiki, ""},
}

// BenchmarkSetUps has all set-ups of one kind of server side by side, and loads
// them in turns. For each it gives requests per second (median of the rounds) and
// the ratio to keyed, taken round by round: its median, lowest and highest. The
// ratio by cpu compares the processor time of web server and PHP for a request: on
// a machine that does other things besides it varies less.
func BenchmarkSetUps(b *testing.B) {
	for _, kind := range []struct {
		name  string
		plans []plan
	}{{"fpm", underFPM}, {"mod_php", underModPHP}} {
		for _, page := range pages {
			b.Run(kind.name+"/"+page.name, func(b *testing.B) {
				cities := build(b, kind.plans, page.make)
				for b.Loop() {
					race(b, cities, page.path)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func build(b *testing.B, plans []plan, make func(context.Context, string) (app.App, error)) []*city {
	var cities []*city
	for _, p := range plans {
		c := newCity(b, p, make, 30)
		c.relink("deploy", "v1", "--all")
		c.visit()
		if !p.fresh {
			c.relink("deploy", "v2", "--all")
			c.visit()
		}
		cities = append(cities, c)
	}
	return cities
}

// race is won by nobody for being always the first: the order turns.
func race(b *testing.B, cities []*city, path string) {
	rates, costs := make([][]float64, len(cities)), make([][]float64, len(cities))
	for round := range pairs {
		for i := range cities {
			at := (i + round) % len(cities)
			rate, cost := cities[at].run(path)
			rates[at], costs[at] = append(rates[at], rate), append(costs[at], cost)
		}
	}
	for i, c := range cities {
		b.ReportMetric(middle(rates[i]), c.plan.name+"-requests/s")
		b.ReportMetric(middle(costs[i]), c.plan.name+"-cpu-µs/request")
		for k, other := range cities[:min(i, keyedPlans)] {
			name := c.plan.name + "/" + other.plan.name
			report(b, name, ratios(rates[i], rates[k]))
			report(b, name+"-by-cpu", ratios(costs[k], costs[i]))
		}
	}
}

func ratios(of, to []float64) []float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / to[i]
	}
	return all
}

// report gives the median, the lowest and the highest.
func report(b *testing.B, name string, values []float64) {
	b.ReportMetric(middle(values), name)
	b.ReportMetric(slices.Min(values), name+"-min")
	b.ReportMetric(slices.Max(values), name+"-max")
}

// middle is the median, and leaves the order of the rounds as it is.
func middle(values []float64) float64 { return median(slices.Clone(values)) }

// BenchmarkCutOver measures cut-overs of all sites under load, of a server that
// has seen some before.
func BenchmarkCutOver(b *testing.B) {
	for _, sites := range []int{30, 1000} {
		for _, p := range underFPM[1:] {
			b.Run(fmt.Sprintf("%s/%d", p.name, sites), func(b *testing.B) {
				c := newCity(b, p, synthetic, sites)
				c.relink("deploy", "v1", "--all")
				c.visit()
				for b.Loop() {
					c.deploys(pairs).report(b)
				}
			})
		}
	}
}
