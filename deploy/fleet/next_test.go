package fleet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func at(phase Phase, hosts ...string) State {
	return State{
		Wanted: Wanted{All: Target{Rollout: "0", Ref: "v1", Digest: "old"}},
		Rollout: &Rollout{
			ID: "1", Target: Target{Rollout: "1", Ref: "v2", Commit: "c2"}, Hosts: hosts, All: true, Quorum: len(hosts), Phase: phase,
			Bounds: Bounds{Prepare: 60, Switch: 10, Absent: 5},
		},
	}
}

// votes are stages by host, with the digest of what is ready.
func votes(stages map[string]Stage) Seen {
	s := Seen{Votes: map[string]Vote{}, Absent: map[string]time.Duration{}}
	for host, stage := range stages {
		v := Vote{Rollout: "1", Stage: stage, Digest: "new"}
		if stage == Failed {
			v.Error = "no space"
		}
		s.Votes[host] = v
	}
	return s
}

func TestNext(t *testing.T) {
	both := func(stage Stage) Seen { return votes(map[string]Stage{"a": stage, "b": stage}) }
	for name, c := range map[string]struct {
		state  func(*Rollout)
		phase  Phase
		seen   Seen
		alter  func(*Seen)
		want   Phase // "": nothing changes
		reason string
		wave   int
		out    string // a host that does not come along
	}{
		"nobody is ready":               {phase: Preparing, seen: both(Working)},
		"one is ready":                  {phase: Preparing, seen: votes(map[string]Stage{"a": Ready})},
		"all are ready":                 {phase: Preparing, seen: both(Ready), want: Switching},
		"one failed":                    {phase: Preparing, seen: votes(map[string]Stage{"a": Ready, "b": Failed}), want: Back, reason: "b: no space", out: "b"},
		"other contents":                {phase: Preparing, seen: both(Ready), alter: func(s *Seen) { s.Votes["b"] = Vote{Rollout: "1", Stage: Ready, Digest: "else"} }, want: Back, reason: "not the same"},
		"not what was asked for":        {phase: Preparing, seen: both(Ready), state: func(r *Rollout) { r.Target.Digest = "earlier" }, want: Back, reason: "as it was asked for"},
		"late":                          {phase: Preparing, seen: votes(map[string]Stage{"a": Ready}), alter: func(s *Seen) { s.Since = 2 * time.Minute }, want: Back, reason: "not ready within 1m0s: b"},
		"late, but enough":              {phase: Preparing, seen: votes(map[string]Stage{"a": Ready}), alter: func(s *Seen) { s.Since = 2 * time.Minute }, state: func(r *Rollout) { r.Quorum = 1 }, want: Switching, out: "b"},
		"away for a moment":             {phase: Preparing, seen: both(Ready), alter: func(s *Seen) { s.Absent["b"] = time.Second }},
		"away for long":                 {phase: Preparing, seen: both(Ready), alter: func(s *Seen) { s.Absent["b"] = time.Minute }, want: Back, reason: "b: has been away", out: "b"},
		"away for long, but enough":     {phase: Preparing, seen: both(Ready), alter: func(s *Seen) { s.Absent["b"] = time.Minute }, state: func(r *Rollout) { r.Quorum = 1 }, want: Switching, out: "b"},
		"all gone, a quorum of one":     {phase: Preparing, seen: votes(nil), alter: func(s *Seen) { s.Absent["a"], s.Absent["b"] = time.Minute, time.Minute }, state: func(r *Rollout) { r.Quorum = 1 }, want: Back, reason: "away", out: "a"},
		"one has cut over":              {phase: Switching, seen: votes(map[string]Stage{"a": Switched, "b": Ready})},
		"all have cut over":             {phase: Switching, seen: both(Switched), want: Done},
		"a check failed":                {phase: Switching, seen: votes(map[string]Stage{"a": Switched, "b": Failed}), want: Back, reason: "b: no space"},
		"a check failed in spite of it": {phase: Switching, seen: votes(map[string]Stage{"a": Switched, "b": Failed}), state: func(r *Rollout) { r.Quorum = 1 }, want: Back, reason: "b: no space"},
		"no word":                       {phase: Switching, seen: votes(map[string]Stage{"a": Switched, "b": Ready}), alter: func(s *Seen) { s.Since = time.Minute }, want: Back, reason: "no word"},
		"no word, but enough":           {phase: Switching, seen: votes(map[string]Stage{"a": Switched, "b": Ready}), alter: func(s *Seen) { s.Since = time.Minute }, state: func(r *Rollout) { r.Quorum = 1 }, want: Done, out: "b"},
		"it cut over, and was killed":   {phase: Switching, seen: both(Switched), alter: func(s *Seen) { s.Absent["b"] = time.Minute }, want: Done},
		"the first wave is well":        {phase: Switching, seen: votes(map[string]Stage{"a": Switched, "b": Ready}), state: func(r *Rollout) { r.Waves = []int{1, 2} }, want: Switching, wave: 1},
		"the last wave is well":         {phase: Switching, seen: both(Switched), state: func(r *Rollout) { r.Waves, r.Wave = []int{1, 2}, 1 }, want: Done, wave: 1},
		"one has not ended":             {phase: Done, seen: votes(map[string]Stage{"a": Finished, "b": Switched})},
		"one is gone since":             {phase: Done, seen: votes(map[string]Stage{"a": Finished, "b": Switched}), alter: func(s *Seen) { s.Absent["b"] = time.Minute }, want: Done},
		"all have ended":                {phase: Done, seen: both(Finished), want: Done},
		"all are back":                  {phase: Back, seen: both(Returned), want: Back},
	} {
		t.Run(name, func(t *testing.T) {
			s := at(c.phase, "a", "b")
			if c.state != nil {
				c.state(s.Rollout)
			}
			if c.alter != nil {
				c.alter(&c.seen)
			}
			before := *s.Rollout
			next, changed := Next(s, c.seen)
			if changed != (c.want != "") {
				t.Fatalf("changed: %v, %+v", changed, next.Rollout)
			}
			if before.Phase != s.Rollout.Phase || before.Wave != s.Rollout.Wave || len(s.Rollout.Out) != 0 {
				t.Errorf("the state that was asked of has changed: %+v", s.Rollout)
			}
			if !changed {
				return
			}
			r := next.Rollout
			if r.Phase != c.want || r.Wave != c.wave || !strings.Contains(r.Reason, c.reason) || c.reason == "" && r.Reason != "" {
				t.Errorf("%s, wave %d, %q", r.Phase, r.Wave, r.Reason)
			}
			if (c.out != "") != (r.Out[c.out] != "") {
				t.Errorf("out: %q", r.Out)
			}
			if r.Ended != c.phase.Decided() {
				t.Errorf("ended: %v", r.Ended)
			}
			if c.want == Switching && r.Target.Digest != "new" && c.phase == Preparing {
				t.Errorf("digest %q", r.Target.Digest)
			}
			wanted := map[Phase]string{Switching: "v2", Done: "v2", Back: "v1"}[r.Phase]
			if c.phase == Done || c.phase == Back {
				return // what is wanted was written with the verdict
			}
			if got := next.WantedOf("a").Ref; got != wanted && r.Out["a"] == "" {
				t.Errorf("a is to be on %s, want %s", got, wanted)
			}
		})
	}
}

// A host of a later wave, and one that is out, must not cut over.
func TestMayCutOver(t *testing.T) {
	s := at(Switching, "a", "b", "c")
	r := s.Rollout
	r.Waves, r.Out = []int{2, 3}, map[string]string{"a": "away"}
	for host, may := range map[string]bool{"a": false, "b": true, "c": false, "d": false} {
		if r.MayCutOver(host) != may {
			t.Errorf("%s: %v", host, !may)
		}
		if wanted := s.WantedOf(host).Ref == "v2"; wanted != may {
			t.Errorf("%s is wanted on v2: %v", host, wanted)
		}
	}
	r.Wave = 1
	if !r.MayCutOver("c") || r.MayCutOver("a") {
		t.Error("the last wave")
	}
	for _, phase := range []Phase{Preparing, Back} {
		if r.Phase = phase; r.MayCutOver("b") {
			t.Errorf("in %s", phase)
		}
	}
}

func TestDutyOf(t *testing.T) {
	old, recent := AppOn{Digest: "old"}, AppOn{Digest: "new"}
	said := func(stage Stage) Vote { return Vote{Rollout: "1", Stage: stage} }
	out := func(s State) State { s.Rollout.Out = map[string]string{"a": "away"}; return s }
	done := func(s State) State {
		s.Wanted = Wanted{All: Target{Rollout: "1", Ref: "v2", Digest: "new"}}
		return s
	}
	ended := func(s State) State { s.Rollout.Ended = true; return s }
	for name, c := range map[string]struct {
		state State
		on    AppOn
		own   Vote
		want  Duty
	}{
		"a new fleet":                          {State{}, old, Vote{}, Rest},
		"nothing is wanted but what there is":  {State{Wanted: Wanted{All: Target{Digest: "old"}}}, old, Vote{}, Rest},
		"it was away":                          {State{Wanted: Wanted{All: Target{Digest: "new"}}}, old, Vote{}, Follow},
		"its own":                              {State{Wanted: Wanted{All: Target{Digest: "new"}, Hosts: map[string]Target{"a": {Digest: "old"}}}}, old, Vote{}, Rest},
		"without a digest, by the commit":      {State{Wanted: Wanted{All: Target{Commit: "c"}}}, AppOn{Commit: "c"}, Vote{}, Rest},
		"a rollout begins":                     {at(Preparing, "a"), old, Vote{}, Join},
		"a rollout of others":                  {at(Preparing, "b"), old, Vote{}, Rest},
		"it was killed while it prepared":      {at(Preparing, "a"), old, said(Working), Join},
		"it has failed":                        {at(Preparing, "a"), old, said(Failed), Rest},
		"it was killed after its cut-over":     {at(Switching, "a"), recent, said(Switched), Join},
		"its check failed, and others wait":    {at(Switching, "a"), old, said(Failed), Rest},
		"it is out":                            {out(at(Switching, "a")), old, said(Working), Rest},
		"it is out, and the others are done":   {done(out(at(Done, "a"))), old, said(Working), Follow},
		"killed before it could say that":      {done(at(Done, "a")), recent, said(Switched), Say},
		"killed after its cut-over, then back": {at(Back, "a"), recent, said(Switched), Follow},
		"it is back, and has not said so":      {at(Back, "a"), old, said(Switched), Say},
		"it has said so":                       {at(Back, "a"), old, said(Returned), Rest},
		"it has no instances":                  {State{Wanted: Wanted{All: Target{Digest: "new"}}}, AppOn{FreeBytes: 1}, Vote{}, Rest},
		"a rollout of long ago":                {ended(done(at(Done, "a"))), recent, Vote{}, Rest},
	} {
		t.Run(name, func(t *testing.T) {
			if duty, to := DutyOf(c.state, "a", c.on, c.own); duty != c.want {
				t.Errorf("%q %+v, want %q", duty, to, c.want)
			}
		})
	}
}

// three are hosts of which the first is a canary.
func three(phase Phase, quorum int) State {
	s := at(phase, "a", "b", "c")
	s.Rollout.Waves, s.Rollout.Quorum = []int{1, 3}, quorum
	return s
}

// A failed check takes everybody back at once, whoever is waited for, and of whichever wave.
func TestFailureIsSeenAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		state State
		seen  Seen
		want  string
	}{
		"the first is still checking":  {at(Switching, "a", "b"), votes(map[string]Stage{"a": Ready, "b": Failed}), "b: no space"},
		"the second is still checking": {at(Switching, "a", "b"), votes(map[string]Stage{"a": Failed, "b": Ready}), "a: no space"},
		"both":                         {at(Switching, "a", "b"), votes(map[string]Stage{"a": Failed, "b": Failed}), "a: no space; b: no space"},
		"of the next wave":             {three(Switching, 3), votes(map[string]Stage{"a": Switched, "b": Ready, "c": Failed}), "c: no space"},
		"of the next, this is checked": {three(Switching, 3), votes(map[string]Stage{"a": Ready, "b": Ready, "c": Failed}), "c: no space"},
		"without a word":               {at(Switching, "a", "b"), votes(map[string]Stage{"a": Ready, "b": Returned}), "b: is back"},
	} {
		t.Run(name, func(t *testing.T) {
			if next, changed := Next(c.state, c.seen); !changed || next.Rollout.Phase != Back || next.Rollout.Reason != c.want {
				t.Errorf("%v %+v", changed, next.Rollout)
			}
		})
	}
	out := at(Switching, "a", "b")
	out.Rollout.Quorum, out.Rollout.Out = 1, map[string]string{"b": ""}
	if next, changed := Next(out, votes(map[string]Stage{"a": Switched, "b": Failed})); !changed || next.Rollout.Phase != Done {
		t.Errorf("a host that is out: %+v", next.Rollout)
	}
}

// The first wave is to prove the release: one of hosts that are out proves nothing.
func TestWavesAreOfThoseWhoCome(t *testing.T) {
	next, changed := Next(three(Preparing, 2), votes(map[string]Stage{"a": Failed, "b": Ready, "c": Ready}))
	r := next.Rollout
	if !changed || r.Phase != Switching || r.MayCutOver("a") || !r.MayCutOver("b") || r.MayCutOver("c") {
		t.Fatalf("%+v", r)
	}
	if err := next.Validate(); err != nil {
		t.Error(err)
	}
	if after, changed := Next(next, votes(map[string]Stage{"a": Failed, "b": Ready, "c": Ready})); changed {
		t.Errorf("%+v", after.Rollout)
	}
	if after, changed := Next(next, votes(map[string]Stage{"a": Failed, "b": Switched, "c": Ready})); !changed || !after.Rollout.MayCutOver("c") {
		t.Errorf("%+v", after.Rollout)
	}
	// no wave is left empty, and the last is all
	s := at(Preparing, "a", "b", "c", "d")
	s.Rollout.Waves, s.Rollout.Quorum = []int{1, 2, 4}, 1
	if next, _ := Next(s, votes(map[string]Stage{"a": Failed, "b": Failed, "c": Failed, "d": Ready})); next.Validate() != nil || !next.Rollout.MayCutOver("d") {
		t.Errorf("%+v", next.Rollout)
	}
}

// Whoever says nothing proves nothing, though the quorum would do without it.
func TestAWaveOfWhichNobodyIsWell(t *testing.T) {
	silent := votes(map[string]Stage{"a": Ready, "b": Ready, "c": Ready})
	silent.Since = time.Minute
	if next, _ := Next(three(Switching, 2), silent); next.Rollout.Phase != Back || !strings.Contains(next.Rollout.Reason, "of a") {
		t.Errorf("%+v", next.Rollout)
	}
	s := at(Switching, "a", "b", "c", "d")
	s.Rollout.Waves, s.Rollout.Wave, s.Rollout.Quorum = []int{1, 2, 4}, 1, 1
	silent = votes(map[string]Stage{"a": Switched, "b": Ready, "c": Ready, "d": Ready})
	silent.Absent["b"] = time.Minute
	if next, _ := Next(s, silent); next.Rollout.Phase != Back {
		t.Errorf("the wave before was well: %+v", next.Rollout)
	}
	s.Rollout.Waves, s.Rollout.Wave = []int{3, 4}, 1 // for nobody: the quorum decides
	silent = votes(map[string]Stage{"a": Switched, "b": Switched, "c": Switched, "d": Ready})
	silent.Absent["d"] = time.Minute
	if next, _ := Next(s, silent); next.Rollout.Phase != Done {
		t.Errorf("the last wave: %+v", next.Rollout)
	}
}

// A host that was on the release already has ended before the barrier.
func TestFinishedEarly(t *testing.T) {
	s := at(Preparing, "a", "b")
	early := votes(map[string]Stage{"a": Ready, "b": Finished})
	if next, changed := Next(s, early); !changed || next.Rollout.Phase != Switching || !next.Rollout.MayCutOver("a") {
		t.Errorf("of the same content: %+v", next.Rollout)
	}
	early.Votes["b"] = Vote{Rollout: "1", Stage: Finished, Digest: "else"}
	if next, _ := Next(s, early); next.Rollout.Phase != Back || !strings.Contains(next.Rollout.Reason, "not the same") {
		t.Errorf("of another content: %+v", next.Rollout)
	}
	early.Votes["b"] = Vote{Rollout: "1", Stage: Finished}
	if next, _ := Next(s, early); next.Rollout.Phase != Back || !strings.Contains(next.Rollout.Reason, "b: has ended before") {
		t.Errorf("of which content is not known: %+v", next.Rollout)
	}
	s.Rollout.Quorum = 1
	next, _ := Next(s, early)
	if next.Rollout.Phase != Switching || next.Rollout.MayCutOver("b") || next.Rollout.Out["b"] == "" {
		t.Errorf("not known, but enough: %+v", next.Rollout)
	}
	// where the others go back, it has to, and says so
	s = at(Back, "a", "b")
	early = votes(map[string]Stage{"a": Returned, "b": Finished})
	if next, changed := Next(s, early); changed {
		t.Errorf("%+v", next.Rollout)
	}
	if duty, _ := DutyOf(s, "b", AppOn{Digest: "new"}, early.Votes["b"]); duty != Follow {
		t.Errorf("%q", duty)
	}
	if duty, _ := DutyOf(s, "b", AppOn{Digest: "old"}, early.Votes["b"]); duty != Say {
		t.Errorf("%q", duty)
	}
}

func TestLast(t *testing.T) {
	s := at(Back, "a")
	s.Rollout.Target.Digest = "new"
	for name, c := range map[string]struct {
		wanted, on string
		want       Stage
	}{
		"it is back":                     {"old", "old", Returned},
		"it has nothing to go back to":   {"", "new", Failed},
		"it was on this release already": {"new", "new", Returned},
	} {
		s.Wanted = Wanted{All: Target{Digest: c.wanted}}
		if got := s.Last("a", Vote{}, AppOn{Digest: c.on}); got.Stage != c.want || got.Rollout != "1" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A host that is there, and was configured anew without the application, is not waited for.
func TestApplicationGone(t *testing.T) {
	gone := func(phase Phase, stages map[string]Stage) *Rollout {
		seen := votes(stages)
		seen.Without = map[string]bool{"b": true}
		next, changed := Next(at(phase, "a", "b"), seen)
		if !changed {
			t.Errorf("%s: nothing", phase)
		}
		return next.Rollout
	}
	if r := gone(Preparing, map[string]Stage{"a": Ready, "b": Working}); r.Phase != Back || !strings.Contains(r.Reason, "b: its configuration") {
		t.Errorf("%+v", r)
	}
	if r := gone(Switching, map[string]Stage{"a": Ready, "b": Ready}); r.Phase != Back || !strings.Contains(r.Reason, "b: its configuration") {
		t.Errorf("%+v", r)
	}
	if r := gone(Switching, map[string]Stage{"a": Switched, "b": Switched}); r.Phase != Done {
		t.Errorf("%+v", r)
	}
	if r := gone(Done, map[string]Stage{"a": Finished, "b": Switched}); !r.Ended {
		t.Errorf("%+v", r)
	}
}

// etcd takes 1.5 MB under one key, whatever hosts say.
func TestStateStaysSmall(t *testing.T) {
	const most = 1_500_000
	long := "first\n" + strings.Repeat("x", 100_000)
	for _, phase := range []Phase{Preparing, Switching} {
		for _, hosts := range []int{2, 1000, 10_000} {
			s := at(phase)
			seen := votes(nil)
			for i := range hosts {
				name := fmt.Sprintf("web%05d", i)
				s.Rollout.Hosts = append(s.Rollout.Hosts, name)
				seen.Votes[name] = Vote{Rollout: "1", Stage: Failed, Error: long}
				if i == 0 {
					seen.Votes[name] = Vote{Rollout: "1", Stage: Failed, Error: strings.Repeat("é", 1_000_000)}
				}
			}
			s.Rollout.Quorum = hosts
			next, _ := Next(s, seen)
			text, err := json.Marshal(next)
			if err != nil || len(text) > most || !utf8.ValidString(next.Rollout.Reason) || strings.Contains(next.Rollout.Reason, "\n") || len(next.Rollout.Reason) > 10_000 {
				t.Errorf("%s, %d hosts: %d bytes, a reason of %d, %v", phase, hosts, len(text), len(next.Rollout.Reason), err)
			}
		}
	}
}

func TestNewID(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	first := NewID(now, nil)
	second := NewID(now, &Rollout{ID: first})
	behind := NewID(now.Add(-time.Hour), &Rollout{ID: second})
	foreign := NewID(now, &Rollout{ID: "later"})
	if first != "20261129T120000.000Z" || second <= first || behind <= second || foreign <= "later" || NewID(now.Add(time.Second), &Rollout{ID: behind}) != "20261129T120001.000Z" {
		t.Error(first, second, behind, foreign)
	}
}

func TestGiveUp(t *testing.T) {
	if next, changed := GiveUp(at(Preparing, "a"), "enough"); !changed || next.Rollout.Phase != Back || next.Rollout.Reason != "enough" {
		t.Errorf("%+v", next.Rollout)
	}
	for _, s := range []State{{}, at(Done, "a"), at(Back, "a")} {
		if _, changed := GiveUp(s, "enough"); changed {
			t.Errorf("%+v", s.Rollout)
		}
	}
}
