package health

import (
	"errors"
	"strings"
	"testing"

	"relink/deploy/fleet"
)

// This host's own trouble is CRITICAL, that of others a WARNING, and a rollout none.
func TestFleet(t *testing.T) {
	app := func(states ...fleet.Condition) *Fleet {
		o := fleet.Overview{App: "shop"}
		for i, state := range states {
			o.Hosts = append(o.Hosts, fleet.Standing{Name: string(rune('a' + i)), State: state, Why: "why " + string(state)})
		}
		return &Fleet{Host: "a", Apps: []fleet.Overview{o}}
	}
	away := app(fleet.Away)
	away.Err = errors.New("etcd does not answer")
	checks, err := Select([]string{"fleet"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fleet           *Fleet
		state           State
		message, detail string
	}{
		{app(fleet.Well, fleet.Moving, fleet.NotReady), OK, "3 hosts on what is wanted", ""},
		{app(fleet.Well, fleet.Behind, fleet.Away), Warning, "1 of 3 hosts away, 1 not on what is wanted", "b: why behind|c: why away"},
		{app(fleet.Behind, fleet.Well), Critical, "0 of 2 hosts away, 1 not on what is wanted", "a: why behind"},
		{app(fleet.Away, fleet.Well), Critical, "1 of 2 hosts away, 0 not on what is wanted", "a: why away"},
		{nil, OK, "", ""},
		{away, Warning, "the fleet cannot be asked: etcd does not answer", ""},
	} {
		results := Evaluate(Facts{Fleet: c.fleet}, Thresholds{}, checks...)
		if c.fleet == nil && len(results) == 0 {
			continue
		}
		if len(results) != 1 || results[0].State != c.state || results[0].Message != c.message || strings.Join(results[0].Details, "|") != c.detail {
			t.Errorf("%+v", results)
		}
	}
}
