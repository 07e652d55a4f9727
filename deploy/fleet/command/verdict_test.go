package command

import (
	"fmt"
	"strings"
	"testing"

	"relink/deploy/fleet"
	"relink/internal/exit"
)

func TestVerdict(t *testing.T) {
	there := map[string]fleet.Host{"a": {}, "b": {}}
	said := func(a, b fleet.Vote) map[string]fleet.Vote { return map[string]fleet.Vote{"a": a, "b": b} }
	finished, returned := fleet.Vote{Stage: fleet.Finished}, fleet.Vote{Stage: fleet.Returned}
	late := map[string]string{"b": "not ready within 1m0s"}
	for name, c := range map[string]struct {
		phase fleet.Phase
		moved bool
		out   map[string]string
		votes map[string]fleet.Vote
		there map[string]fleet.Host
		want  int
		says  string
	}{
		"done":                        {fleet.Done, true, nil, said(finished, finished), there, exit.Done, ""},
		"not proven":                  {fleet.Done, true, nil, said(finished, fleet.Vote{Stage: fleet.Switched}), there, exit.Unverified, "b: has not said"},
		"back":                        {fleet.Back, true, nil, said(returned, returned), there, exit.RolledBack, "taken back on all hosts: why"},
		"one has not said so":         {fleet.Back, true, nil, said(returned, fleet.Vote{Stage: fleet.Switched}), there, exit.Unverified, "b: has not said"},
		"it was on it before":         {fleet.Back, true, nil, said(returned, finished), there, exit.Unverified, "b: has not said"},
		"nothing moved":               {fleet.Back, false, nil, said(returned, returned), there, exit.Failed, "nothing has changed on any host: why"},
		"nothing moved, one is late":  {fleet.Back, false, late, said(returned, fleet.Vote{Stage: fleet.Working}), there, exit.Failed, "not heard of since: b"},
		"nothing moved, one is gone":  {fleet.Back, false, late, said(returned, fleet.Vote{}), map[string]fleet.Host{"a": {}}, exit.Failed, "not heard of since: b"},
		"one moved, whatever is said": {fleet.Back, false, nil, said(returned, fleet.Vote{Stage: fleet.Switched, Moved: true}), there, exit.Unverified, "b: has not said"},
	} {
		t.Run(name, func(t *testing.T) {
			var r Report
			r.take(fleet.Rollout{Target: fleet.Target{Ref: "v2"}, Hosts: []string{"a", "b"}, Phase: c.phase, Moved: c.moved, Out: c.out, Reason: "why"}, c.votes, c.there)
			err := r.verdict()
			if exit.Status(err) != c.want || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("exit %d, want %d: %v", exit.Status(err), c.want, err)
			}
		})
	}
}

// What was prepared and discarded is no release that anybody could look for.
func TestDiscardedReleases(t *testing.T) {
	var r Report
	r.take(fleet.Rollout{Hosts: []string{"a", "b", "c"}, Phase: fleet.Back}, map[string]fleet.Vote{
		"a": {Stage: fleet.Returned, Release: "r-a"}, "b": {Stage: fleet.Failed, Release: "r-b"}, "c": {Stage: fleet.Failed, Doubt: true, Release: "r-c"},
	}, nil)
	if text := r.Text(80); strings.Contains(text, "r-a") || strings.Contains(text, "r-b") || !strings.Contains(text, "r-c") {
		t.Error(text)
	}
}

// What others have written in etcd drives no terminal, and is as wide as it is.
func TestTextOfOthers(t *testing.T) {
	const evil = "we\x1b[2Jb"
	r := Report{App: "shop", DryRun: true, Rollout: fleet.Rollout{ID: evil, Target: fleet.Target{Ref: evil, Commit: evil}, Quorum: 1}}
	for i := range 34 {
		r.Rollout.Hosts = append(r.Rollout.Hosts, fmt.Sprint(evil, i))
		r.Rollout.Waves = append(r.Rollout.Waves, i+1)
	}
	status := Status{Overview: fleet.Overview{App: "shop", Rollout: &r.Rollout, Hosts: []fleet.Standing{{Name: evil, Why: evil, Problem: strings.Repeat(evil+" ", 30)}}}, Steward: evil}
	paused := Status{Overview: fleet.Overview{App: "shop", Paused: &fleet.Pause{By: evil}}}
	history := History{Rollouts: []fleet.Rollout{{ID: evil, By: evil, Reason: evil}}}
	ended := Report{App: evil, Votes: map[string]fleet.Vote{evil: {Stage: fleet.Stage(evil), Error: evil, Release: evil}}}
	for name, text := range map[string]string{"plan": r.Text(80), "status": status.Text(80), "paused": paused.Text(80), "history": history.Text(80), "report": ended.Text(80)} {
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s: %q", name, text)
		}
		for line := range strings.Lines(text) {
			if len(line) > 81 {
				t.Errorf("%s: %d columns: %s", name, len(line), line)
			}
		}
	}
}
