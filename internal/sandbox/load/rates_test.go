package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRates(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	answer := func(begin, took int, failed bool) sample {
		return sample{begin: time.Duration(begin) * time.Millisecond, took: time.Duration(took) * time.Millisecond, failed: failed}
	}
	r := Result{Start: start, samples: []sample{
		answer(0, 99, false),    // before it
		answer(50, 50, false),   // arrives at 100: in the first window
		answer(110, 89, false),  // 199: in it
		answer(150, 50, false),  // 200: in the second
		answer(210, 10, true),   // failed: no answer
		answer(300, 100, false), // 400: behind the last whole window
	}}
	if diff := cmp.Diff([]float64{20, 10, 0}, r.Rates(at(100), at(450), 100*time.Millisecond)); diff != "" {
		t.Error(diff)
	}
	if rates := r.Rates(at(100), at(50), 100*time.Millisecond); len(rates) != 0 {
		t.Error(rates)
	}
}
