package serve

import (
	"testing"
	"time"
)

// However much a full look costs, a day of them takes at most its share.
func TestFullLooksStayWithinTheirShare(t *testing.T) {
	for _, cost := range []time.Duration{10 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second} {
		for _, always := range []bool{false, true} { // does something change all the time?
			used, looks := time.Duration(0), 0
			now := noon
			b := newBudget(usualShare, now, 0)
			for ; now.Before(noon.Add(24 * time.Hour)); now = now.Add(5 * time.Second) {
				used += 10 * time.Millisecond // the cheap look
				b.count(now, used)
				if b.fullNow(now, always) {
					b.full = now
					used += cost
					looks++
				}
			}
			if got := used.Seconds() / 86400; got > 0.0101 {
				t.Errorf("%s each, changes %v: %.4f of a core", cost, always, got)
			}
			if looks < 90 {
				t.Errorf("%s each, changes %v: only %d full looks a day", cost, always, looks)
			}
		}
	}
}

func TestAChangeIsLookedAtAtOnce(t *testing.T) {
	b := newBudget(usualShare, noon, 0)
	if !b.fullNow(noon, false) {
		t.Error("the first look is not full")
	}
	b.full = noon
	for _, one := range []struct {
		after         time.Duration
		used          time.Duration
		changed, want bool
	}{
		{5 * time.Second, 0, false, false}, {5 * time.Second, 0, true, true}, {time.Minute, 0, false, true},
		{5 * time.Second, 5 * time.Second, true, false}, {time.Minute, 5 * time.Second, false, false}, {15 * time.Minute, time.Hour, false, true},
		{-time.Hour, 0, false, true}, // the clock was put back
	} {
		at := b
		at.count(noon.Add(one.after), one.used)
		if got := at.fullNow(noon.Add(one.after), one.changed); got != one.want {
			t.Errorf("%+v: %v", one, got)
		}
	}
}

func TestDearLooksAreSpread(t *testing.T) {
	b := newBudget(usualShare, noon, 0)
	for cost, want := range map[time.Duration]time.Duration{
		0: 5 * time.Second, 10 * time.Millisecond: 5 * time.Second, 100 * time.Millisecond: 10 * time.Second, time.Minute: time.Minute,
	} {
		if got := b.wait(5*time.Second, cost); got != want {
			t.Errorf("%s: %s", cost, got)
		}
	}
}
