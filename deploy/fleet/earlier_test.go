package fleet

import (
	"errors"
	"strings"
	"testing"

	"relink/internal/exit"
	"relink/internal/hint"
)

// What a canary was brought to must not come to the whole fleet by its rollback.
func TestEarlier(t *testing.T) {
	to := func(ref string) Target { return Target{Ref: ref, Digest: "digest of " + ref} }
	all := func(ref string) Rollout {
		return Rollout{ID: ref, Target: to(ref), Hosts: []string{"a", "b"}, All: true, Phase: Done}
	}
	canary := func(ref string) Rollout { return Rollout{ID: ref, Target: to(ref), Hosts: []string{"a"}, Phase: Done} }
	back := all("v9")
	back.Phase = Back
	only := func(ref string) State {
		return State{Wanted: Wanted{All: to("v1"), Hosts: map[string]Target{"a": to(ref)}}}
	}
	everywhere := func(ref string) State { return State{Wanted: Wanted{All: to(ref)}} }
	for name, c := range map[string]struct {
		state State
		hosts string
		past  []Rollout // newest first
		want  string    // "": refused
		says  string
	}{
		"all":                             {everywhere("v2"), "a b", []Rollout{all("v2"), all("v1")}, "v1", ""},
		"a host to come":                  {everywhere("v2"), "a b z", []Rollout{all("v2"), all("v1")}, "v1", ""},
		"one that was taken back":         {everywhere("v2"), "a b", []Rollout{back, all("v2"), all("v1")}, "v1", ""},
		"the canary":                      {only("v2"), "a", []Rollout{canary("v2"), all("v1"), all("v0")}, "v1", ""},
		"the others":                      {only("v2"), "b", []Rollout{canary("v2"), all("v1"), all("v0")}, "v0", ""},
		"all after a canary":              {only("v2"), "a b", []Rollout{canary("v2"), all("v1"), all("v0")}, "", "a to v1"},
		"all after a canary, no earlier":  {only("v2"), "a b", []Rollout{canary("v2"), all("v1")}, "", "b to nothing"},
		"all after a canary that came on": {everywhere("v2"), "a b", []Rollout{all("v2"), canary("v2"), all("v1")}, "v1", ""},
		"the first rollout":               {everywhere("v1"), "a b", []Rollout{all("v1")}, "", "no earlier"},
		"nothing":                         {State{}, "a b", nil, "", "no earlier"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.state.Earlier(strings.Fields(c.hosts), c.past)
			if c.want != "" && (err != nil || got != to(c.want)) {
				t.Errorf("%+v, %v", got, err)
			}
			if c.want == "" && (!errors.Is(err, exit.ErrUsage) || !strings.Contains(err.Error(), c.says) || len(hint.Of(err)) == 0) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
