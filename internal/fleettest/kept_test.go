package fleettest

import (
	"fmt"
	"testing"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"

	"github.com/google/go-cmp/cmp"
)

// etcd keeps the newest rollouts of each application, and nothing that a removed host has
// said: it would grow for as long as the fleet lives.
func TestWhatEtcdKeeps(t *testing.T) {
	t.Parallel()
	c, _ := ownEtcd(t)
	s, err := store.Open(t.Context(), c)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	defer s.Close()
	roll := func(app, id string) {
		t.Helper()
		must(s.Change(t.Context(), app, func(state fleet.State) (fleet.State, bool) {
			state.Rollout = &fleet.Rollout{ID: id, Phase: fleet.Done, Ended: true}
			return state, true
		}))
	}
	kept := func(app string) (n int, newest, oldest string) {
		t.Helper()
		past, err := s.History(t.Context(), app, 1000)
		must(err)
		return len(past), past[0].ID, past[len(past)-1].ID
	}
	roll("other", "001")
	for i := range 203 {
		roll("shop", fmt.Sprintf("%03d", i+100))
	}
	if n, newest, oldest := kept("shop"); n != 200 || newest != "302" || oldest != "103" {
		t.Errorf("%d rollouts, from %s to %s", n, oldest, newest)
	}
	roll("shop", "001") // the clock was set back
	roll("shop", "303")
	if n, newest, oldest := kept("shop"); n != 200 || newest != "303" || oldest != "104" {
		t.Errorf("%d rollouts, from %s to %s", n, oldest, newest)
	}
	if n, _, _ := kept("other"); n != 1 {
		t.Errorf("%d rollouts of another application", n)
	}

	for _, host := range []string{"a", "ab"} {
		there, err := s.Arrive(t.Context(), fleet.Host{Name: host, ID: "1"}, c.Lease, false)
		must(err)
		for _, app := range []string{"other", "shop"} {
			must(there.Vote(t.Context(), app, fleet.Vote{Rollout: "303", Stage: fleet.Finished}))
			must(s.Show(t.Context(), app, host, []byte("list")))
		}
		must(there.Leave())
	}
	must(s.Remove(t.Context(), "a"))
	v, err := s.View(t.Context())
	must(err)
	left := fleet.Vote{Rollout: "303", Stage: fleet.Finished}
	want := map[string]map[string]fleet.Vote{"other": {"ab": left}, "shop": {"ab": left}}
	if diff := cmp.Diff(want, v.Votes); diff != "" || len(v.Members) != 1 {
		t.Errorf("%v\n%s", v.Members, diff)
	}
	for host, want := range map[string]string{"a": "", "ab": "list"} {
		if list, err := s.Shown(t.Context(), "shop", host); err != nil || string(list) != want {
			t.Errorf("contents of %s: %q, %v", host, list, err)
		}
	}
}
