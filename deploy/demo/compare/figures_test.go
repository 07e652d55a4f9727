package compare

import "testing"

func TestOf(t *testing.T) {
	pairs := []Pair{{Misses: 3}, {Misses: 9}, {Misses: 1}, {Misses: 4}}
	misses := func(p Pair) float64 { return float64(p.Misses) }
	if got, want := Of(pairs, misses), (Spread{Median: 3.5, Least: 1, Most: 9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := Of(pairs[:3], misses), (Spread{Median: 3, Least: 1, Most: 9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := Of(nil, misses); got != (Spread{}) {
		t.Errorf("%+v of nothing", got)
	}
}

// A slow request that failed is a failed request, and a cache that was emptied counts anew.
func TestPairFigures(t *testing.T) {
	p := Pair{During: Seen{WorstMS: 30, PerSecond: 80, Failed: 2}, Calm: Seen{WorstMS: 20, PerSecond: 100}, Slow: &Slow{Problem: "status 502"}}
	if p.Worst() != 1.5 || p.Served() != 0.8 || p.P99() != 0 || p.Failures() != 3 {
		t.Errorf("%g %g %g %d", p.Worst(), p.Served(), p.P99(), p.Failures())
	}
	p.spent(ran{}, cache{Misses: 100, Used: 900, Started: 1}, cache{Misses: 130, Used: 800, Started: 2})
	if !p.Restarted || p.Misses != 130 || p.CacheBytes != -100 {
		t.Errorf("%+v", p)
	}
	p.spent(ran{}, cache{Misses: 100, Used: 900, Started: 1}, cache{Misses: 130, Used: 1000, Started: 1})
	if p.Misses != 30 || p.CacheBytes != 100 {
		t.Errorf("%+v", p)
	}
}
