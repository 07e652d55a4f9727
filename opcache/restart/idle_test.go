package restart

import (
	"testing"
	"time"
)

func TestToleranceGrowsToQuiet(t *testing.T) {
	o := Options{Quiet: time.Second}
	if got := o.tolerance(time.Time{}); got != time.Second {
		t.Errorf("asked once: %s", got)
	}
	before := time.Duration(0)
	for _, ago := range []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second} {
		got := o.tolerance(time.Now().Add(-ago))
		if got < time.Second/20 || got <= before || got >= time.Second {
			t.Errorf("after %s: %s, before it %s", ago, got, before)
		}
		before = got
	}
	if got := o.tolerance(time.Now().Add(-time.Minute)); got != time.Second {
		t.Errorf("after a minute: %s", got)
	}
	if got := (Options{}).tolerance(time.Now().Add(-time.Minute)); got != 0 {
		t.Errorf("no request at all is tolerated, but of %s", got)
	}
}
