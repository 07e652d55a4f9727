package load

import (
	"testing"
	"time"
)

func TestBetween(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	r := Result{Start: at, releases: []string{"v1", "v2"}, samples: []sample{
		{begin: 0, took: second(1.5)},                         // arrives in it
		{begin: second(1), took: second(0.25)},                //
		{begin: second(1.2), took: second(0.1), failed: true}, //
		{begin: second(1.9), took: second(3), release: 1},     // goes on after it
		{begin: second(0.1), took: second(0.2)},               // was over before
		{begin: second(2.5), took: second(9)},                 // begins after
	}}
	w := r.Between(at.Add(second(1)), at.Add(second(2)))
	if w.Answered != 2 || w.Failed != 1 || len(w.Waits) != 4 {
		t.Errorf("%+v", w)
	}
	for share, want := range map[float64]time.Duration{0: second(0.1), 0.25: second(0.1), 0.5: second(0.25), 0.99: second(3), 1: second(3)} {
		if got := w.Wait(share); got != want {
			t.Errorf("%.2f of the waits are below %s, want %s", share, got, want)
		}
	}
	if none := r.Between(at.Add(time.Hour), at.Add(2*time.Hour)); none.Wait(1) != 0 || none.Answered != 0 {
		t.Errorf("%+v", none)
	}
	if got := r.OtherAfter(at.Add(second(1)), "v2"); got != 1 { // the last
		t.Errorf("%d answers of another release than v2, want 1", got)
	}
}
