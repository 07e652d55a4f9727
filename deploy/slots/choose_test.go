package slots

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/opcache"
)

func TestChoose(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	free1, free2 := release.Slot{Name: "free1", Sealed: at(1)}, release.Slot{Name: "free2", Sealed: at(2)}
	before, older := release.Slot{Name: "before", Release: "v2", Sealed: at(2)}, release.Slot{Name: "older", Release: "v1", Sealed: at(1)}
	for name, c := range map[string]struct {
		slots               []release.Slot
		prefer, want, spare string
	}{
		"none yet":                      {nil, "", "", ""},
		"the one that was left last":    {[]release.Slot{free1, free2, older}, "", "free2", "free1"},
		"the oldest is put away":        {[]release.Slot{before, older}, "", "older", ""},
		"where it was made":             {[]release.Slot{before, older, free1}, "before", "before", "free1"},
		"where it was made is in use":   {[]release.Slot{before, older}, "live", "older", ""},
		"one that no release is in yet": {[]release.Slot{before, free1}, "", "free1", ""},
	} {
		taken, spare := choose(c.slots, c.prefer)
		if got := strings.Join(spare, " "); taken.Name != c.want || got != c.spare {
			t.Errorf("%s: %+v, want %s; spare are %q, want %q", name, taken, c.want, got, c.spare)
		}
	}
}

// A program that was started from a release may read its files for as long as it runs.
func TestProgramsKeepASlot(t *testing.T) {
	left := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		one  program
		want bool
	}{
		"works in it":                     {program{folder: "/r/slot/app", begun: left.Add(time.Hour)}, true},
		"works beside":                    {program{folder: "/r/slot2", begun: left.Add(-time.Hour)}, false},
		"was called by name before":       {program{folder: "/", begun: left.Add(-time.Hour), ours: true}, true},
		"was called by name since":        {program{folder: "/", begun: left.Add(time.Hour), ours: true}, false},
		"has to do with something else":   {program{folder: "/srv/other", begun: left.Add(-time.Hour)}, false},
		"of another user, something else": {program{begun: left.Add(-time.Hour)}, false},
		"of another user, nobody knows":   {program{begun: left.Add(-time.Hour), hidden: true}, true},
	} {
		if got := (programs{c.one}).mayRunFrom("/r/slot", left); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestRequestsThatMayBeOnASlot(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	busy := func(d time.Duration) opcache.Flight {
		return opcache.Flight{Busy: []opcache.Worker{{Busy: d}}}
	}
	for name, c := range map[string]struct {
		flight opcache.Flight
		left   time.Time
		want   bool
	}{
		"all were reached":            {opcache.Flight{}, now, false},
		"began after links left":      {busy(10 * time.Second), ago(time.Minute), false},
		"began before links left":     {busy(2 * time.Minute), ago(time.Minute), true},
		"about the same time":         {busy(59 * time.Second), ago(time.Minute), true},
		"nobody knows when it began":  {busy(0), ago(time.Hour), true},
		"not all workers can be told": {opcache.Flight{Unproven: []string{"a"}}, ago(time.Hour), true},
	} {
		if got := mayBeOn(c.flight, c.left, now); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	moved := func(hours int, from, to string) journal.Event {
		return journal.Event{Time: ago(time.Duration(hours) * time.Hour), Moves: moves.Plan{{Place: "/club1", From: moves.Target{Release: from}, To: moves.Target{Release: to}}}}
	}
	history := []journal.Event{
		moved(5, "v1", "v2"), moved(4, "v2", "v3"),
		moved(3, "by hand", "v4"), // v3 was left at some time since
		moved(2, "v4", "v5"), moved(1, "v5", "v4"),
	}
	for id, want := range map[string]time.Time{
		"v1": ago(5 * time.Hour), "v2": ago(4 * time.Hour), "v3": ago(3 * time.Hour), "v5": ago(time.Hour), "v4": now, "unknown": now,
	} {
		if got := leftAt(history, id, now); !got.Equal(want) {
			t.Errorf("%s was left at %s", id, got)
		}
	}
}

// What was written before a release was sealed says nothing of when it was left.
func TestOnlyTheHistorySinceTheSealingIsNeeded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	at := func(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }
	for range 200 {
		var history []journal.Event
		on := map[string]string{}
		for n := range 12 { // each makes a release, and moves some links to it, or to an earlier one
			event := journal.Event{Time: at(n)}
			for _, place := range []string{"/a", "/b", "/c"} {
				from := on[place]
				switch random.IntN(4) {
				case 0:
					continue
				case 1:
					from = "by hand"
				}
				on[place] = fmt.Sprint(n - random.IntN(min(n+1, 3)))
				event.Moves = append(event.Moves, moves.Move{Place: place, From: moves.Target{Release: from}, To: moves.Target{Release: on[place]}})
			}
			history = append(history, event)
		}
		for n := range history {
			if all, part := leftAt(history, fmt.Sprint(n), at(24)), leftAt(history[n:], fmt.Sprint(n), at(24)); !all.Equal(part) {
				t.Fatalf("%d was left at %s by the whole history, at %s by that since its sealing: %+v", n, all, part, history)
			}
		}
	}
}

func TestFirstSealed(t *testing.T) {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got := firstSealed([]release.Slot{{Sealed: first.Add(1)}, {Sealed: first}, {Sealed: first.Add(2)}}); !got.Equal(first) {
		t.Errorf("%s", got)
	}
	if got := firstSealed(nil); time.Since(got) > time.Minute {
		t.Errorf("without a slot nothing of the history is needed, but what is since %s", got)
	}
}
