package slots

import (
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/opcache"
)

func TestChoose(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	free1, free2 := release.Slot{Name: "slot-1", Sealed: at(1)}, release.Slot{Name: "slot-2", Sealed: at(2)}
	live, before, older := release.Slot{Name: "slot-3", Release: "v3", Sealed: at(3)}, release.Slot{Name: "slot-4", Release: "v2", Sealed: at(2)}, release.Slot{Name: "slot-5", Release: "v1", Sealed: at(1)}
	inUse := map[string]bool{"v3": true}
	for name, c := range map[string]struct {
		slots   []release.Slot
		another bool
		want    turn
	}{
		"none yet":                       {nil, false, turn{}},
		"the one that was left last":     {[]release.Slot{free1, free2, live}, false, turn{slot: "slot-2"}},
		"a free one, not another":        {[]release.Slot{free1, live}, true, turn{slot: "slot-1"}},
		"all in use":                     {[]release.Slot{live}, false, turn{}},
		"the oldest leaves":              {[]release.Slot{live, before, older}, false, turn{"slot-5", "v1"}},
		"another one, and nobody leaves": {[]release.Slot{live, before, older}, true, turn{}},
	} {
		if got := choose(c.slots, inUse, c.another); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	// A link may lead into a slot that has lost its release's name.
	if got := choose([]release.Slot{free1}, map[string]bool{"slot-1": true}, false); got != (turn{}) {
		t.Errorf("a slot that a link leads to is taken: %+v", got)
	}
}

func TestRequestsThatMayBeOnASlot(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	busy := func(d time.Duration) opcache.SweepResult {
		return opcache.SweepResult{Busy: []opcache.Worker{{Busy: d}}}
	}
	for name, c := range map[string]struct {
		flight opcache.SweepResult
		left   time.Time
		want   bool
	}{
		"all were reached":            {opcache.SweepResult{Workers: 8}, now, false},
		"began after links left":      {busy(10 * time.Second), ago(time.Minute), false},
		"began before links left":     {busy(2 * time.Minute), ago(time.Minute), true},
		"about the same time":         {busy(59 * time.Second), ago(time.Minute), true},
		"nobody knows when it began":  {busy(0), ago(time.Hour), true},
		"not all workers can be told": {opcache.SweepResult{Unproven: []string{"a"}}, ago(time.Hour), true},
	} {
		if got := mayBeOn(c.flight, c.left, now); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	history := []journal.Event{
		{Time: ago(3 * time.Hour), Moves: moves.Plan{{From: moves.Target{Release: "v1"}, To: moves.Target{Release: "v2"}}}},
		{Time: ago(time.Hour), Moves: moves.Plan{{From: moves.Target{Release: "v2"}, To: moves.Target{Release: "v3"}}}},
	}
	for id, want := range map[string]time.Time{"v1": ago(3 * time.Hour), "v2": ago(time.Hour), "unknown": now} {
		if got := leftAt(history, id, now); !got.Equal(want) {
			t.Errorf("%s was left at %s", id, got)
		}
	}
}
