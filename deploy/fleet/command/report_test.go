package command

import (
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet"
)

// What came from other hosts is told of each that has fetched something.
func TestReportTellsWhatWasFetched(t *testing.T) {
	r := Report{App: "shop", Votes: map[string]fleet.Vote{
		"web1": {Stage: fleet.Finished},
		"web2": {Stage: fleet.Finished, Fetched: &fleet.Fetched{Files: 3, Of: 23_502, Bytes: 41_000, From: []string{"web1", "web3"}}},
	}}
	text := r.Text(100)
	if !strings.Contains(text, "web2 fetched 3 of 23,502 files, 40 KB, from web1, web3\n") || strings.Contains(text, "web1 fetched") {
		t.Error(text)
	}
}

// A path is no ref of any source, and a ref no path.
func TestPathsAndRefs(t *testing.T) {
	for ref, want := range map[string]bool{"/srv/x": true, "./x": true, "../x.zip": true, "v1": false, "release/v1": false, ".x": false, "x.tar.gz": false, "": false} {
		if isPath(ref) != want {
			t.Errorf("%q", ref)
		}
	}
}

// Where clocks are apart, which host was first is not known, and not told.
func TestClocksApart(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	vote := func(stage fleet.Stage, ahead time.Duration) fleet.Vote {
		v := fleet.Vote{Rollout: "1", Stage: stage, Said: now.Add(ahead)}
		if stage == fleet.Switched {
			v.CutOver = v.Said
		}
		return v
	}
	for name, c := range map[string]struct {
		ahead []time.Duration // what the second host says, one after the other
		want  bool            // clocks are apart
	}{
		"one clock":             {[]time.Duration{-3 * time.Millisecond, -time.Millisecond}, false},
		"one was late":          {[]time.Duration{-5 * time.Second, -time.Millisecond}, false},
		"a clock is ahead":      {[]time.Duration{10 * time.Minute, 10 * time.Minute}, true},
		"a clock is far behind": {[]time.Duration{-10 * time.Minute, -10 * time.Minute}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := Report{}
			for i, ahead := range c.ahead {
				stage := []fleet.Stage{fleet.Working, fleet.Switched}[i]
				said := map[string]fleet.Vote{"a": vote(stage, 0), "b": vote(stage, ahead)}
				if stage == fleet.Switched { // a moment later
					for host, v := range said {
						v.Said = v.Said.Add(time.Microsecond)
						said[host] = v
					}
				}
				r.hear(said, now)
				r.take(fleet.Rollout{ID: "1", Phase: fleet.Switching, Hosts: []string{"a", "b"}}, said, nil)
			}
			text := r.Text(80)
			if got := r.Clocks != nil; got != c.want || got == (r.SpreadMS != nil) || got != strings.Contains(text, "clocks are apart") {
				t.Errorf("%v, %v\n%s", r.Clocks, r.SpreadMS, text)
			}
		})
	}
}

// A host that has said how it ended and is away since is told from one that has not said.
func TestReportTellsWhoIsAway(t *testing.T) {
	r := Report{Rollout: fleet.Rollout{Phase: fleet.Done, Hosts: []string{"a", "b", "c"}}}
	r.take(r.Rollout, map[string]fleet.Vote{"a": {Stage: fleet.Finished}, "b": {Stage: fleet.Finished}, "c": {Stage: fleet.Switched}}, map[string]fleet.Host{"a": {}, "c": {}})
	err := r.verdict()
	if err == nil || !strings.Contains(err.Error(), "b: is away now; its last word was done, c: has not said") || strings.Contains(err.Error(), "a: ") {
		t.Error(err)
	}
}
