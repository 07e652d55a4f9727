package command

import (
	"testing"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
)

// Whoever was cut off while the rollout ended must not tell of it by what it saw last.
func TestAnotherRolloutIsNoEnd(t *testing.T) {
	p := &progress{session: &session{app: "shop"}, report: &Report{Rollout: fleet.Rollout{ID: "1", Phase: fleet.Preparing}}}
	view := store.View{Apps: map[string]store.At{"shop": {State: fleet.State{Rollout: &fleet.Rollout{ID: "2", Phase: fleet.Done, Ended: true}}}}}
	if !p.tell(view) || !p.passed || p.report.Rollout.ID != "1" {
		t.Errorf("%+v %+v", p, p.report)
	}
}
