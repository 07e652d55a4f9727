package health

import (
	"cmp"
	"fmt"

	"relink/deploy/fleet"
	"relink/internal/ui"
)

// checkFleet has nothing to say where there is no fleet.
func checkFleet(f *Facts, _ *Thresholds) []Result {
	if f.Fleet == nil {
		return nil
	}
	if f.Fleet.Err != nil {
		r := problem(Warning, "the fleet cannot be asked: "+oneLine(f.Fleet.Err.Error()), "see that etcd has a quorum and that fleet.etcd names it; what serves stays as it is meanwhile")
		r.Subject = f.Fleet.Host
		return []Result{r}
	}
	all := []Result{}
	for _, app := range f.Fleet.Apps {
		r := fleetOf(f.Fleet.Host, app)
		r.Subject = app.App
		all = append(all, r)
	}
	return all
}

// fleetOf is CRITICAL where this host is not on what the fleet wants of it, or is out of the
// fleet, and a WARNING where others are. A host that takes part in a rollout is where it is to be.
func fleetOf(own string, app fleet.Overview) Result {
	state, details := OK, []string{}
	for _, h := range app.Hosts {
		if h.State != fleet.Away && h.State != fleet.Behind {
			continue
		}
		details = append(details, h.Name+": "+oneLine(cmp.Or(h.Why, h.On.Problem, string(h.State))))
		state = state.Or(Warning)
		if h.Name == own {
			state = Critical
		}
	}
	away, behind := len(app.In(fleet.Away)), len(app.In(fleet.Behind))
	figures := []Figure{
		{Name: "hosts", Value: float64(len(app.Hosts)), Unit: Count},
		{Name: "away", Value: float64(away), Unit: Count},
		{Name: "behind", Value: float64(behind), Unit: Count},
	}
	if state == OK {
		return ok("%s on what is wanted", ui.Plural(len(app.Hosts), "host")).with(figures...)
	}
	message := fmt.Sprintf("%d of %s away, %d not on what is wanted", away, ui.Plural(len(app.Hosts), "host"), behind)
	r := problem(state, message, fmt.Sprintf(`look at "relink fleet status --app %s" and at the log of the agent there (journalctl -u relink-agent); a host that does not come back: "relink fleet remove HOST"`, app.App)).with(figures...)
	r.Details = details
	return r
}
