package fleet

import (
	"strings"
	"testing"
	"time"
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
		"a rollout of long ago":                {ended(done(at(Done, "a"))), recent, Vote{}, Rest},
	} {
		t.Run(name, func(t *testing.T) {
			if duty, to := DutyOf(c.state, "a", c.on, c.own); duty != c.want {
				t.Errorf("%q %+v, want %q", duty, to, c.want)
			}
		})
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
