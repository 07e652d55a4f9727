package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOverview(t *testing.T) {
	v1, v2 := Target{Rollout: "1", Ref: "v1", Digest: "d1"}, Target{Rollout: "2", Ref: "v2", Digest: "d2"}
	on := func(digest, why string) Host {
		return Host{Ready: why == "", Why: why, Apps: map[string]AppOn{"shop": {Release: digest, Digest: digest}}}
	}
	members := map[string]Host{
		"a": on("d1", ""), "b": on("d1", ""), "c": on("d0", "it follows"), "d": on("d1", ""), "e": on("d1", "another application"), "f": {Apps: map[string]AppOn{"other": {}}},
		"g": on("d1", ""), "h": on("", ""),
	}
	there := map[string]Host{}
	for name, h := range members {
		if name != "d" {
			there[name] = h
		}
	}
	votes := map[string]Vote{
		"a": {Rollout: "2", Stage: Ready}, "b": {Rollout: "1", Stage: Finished}, "d": {Rollout: "2", Stage: Ready}, "e": {Rollout: "1", Stage: Finished}, "g": {Rollout: "2", Stage: Failed},
	}
	hosts := []string{"a", "b", "c", "d", "g"}
	for name, c := range map[string]struct {
		rollout *Rollout
		want    string
	}{
		"none yet":  {nil, "a ok, b ok, c behind, d away, e not ready, g ok, h behind"},
		"prepares":  {&Rollout{ID: "2", Target: v2, Hosts: hosts, Phase: Preparing, Out: map[string]string{"c": "late"}}, "a moving ready, b moving preparing, c behind, d away ready, e not ready, g ok failed, h behind"},
		"switches":  {&Rollout{ID: "2", Target: v2, Hosts: hosts, Phase: Switching}, "a moving ready, b moving preparing, c moving preparing, d away ready, e not ready, g behind failed, h behind"},
		"has ended": {&Rollout{ID: "1", Target: v1, Hosts: hosts, Phase: Done, Ended: true}, "a ok, b ok done, c behind, d away, e not ready, g ok, h behind"},
	} {
		o := OverviewOf("shop", State{Wanted: Wanted{All: v1}, Rollout: c.rollout}, members, there, votes)
		got := ""
		for i, h := range o.Hosts {
			if i > 0 {
				got += ", "
			}
			got += h.Name + " " + string(h.State)
			if h.Stage != "" {
				got += " " + string(h.Stage)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	o := OverviewOf("shop", State{Rollout: &Rollout{ID: "2", Hosts: hosts, Phase: Preparing}}, members, there, votes)
	if got := o.Progress(); got != "2 preparing, 2 ready, 1 failed" {
		t.Error(got)
	}
	if got := o.In(Away); !cmp.Equal(got, []string{"d"}) {
		t.Error(got)
	}
}
