package health

import (
	"fmt"
	"maps"
	"slices"

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
	var all []Result
	for _, app := range slices.Sorted(maps.Keys(f.Fleet.Apps)) {
		r := fleetOf(f.Fleet, app)
		r.Subject = app
		all = append(all, r)
	}
	return all
}

// fleetOf is CRITICAL where this host is not on what the fleet wants of it, or is out of the
// fleet, and a WARNING where others are.
func fleetOf(f *Fleet, app string) Result {
	hosts := f.Apps[app]
	var away, behind []string
	state, details := OK, []string{}
	for _, h := range hosts {
		switch {
		case !h.There:
			away = append(away, h.Name)
		case h.Behind():
			behind = append(behind, h.Name)
		default:
			continue
		}
		details = append(details, h.Name+": "+oneLine(h.Why))
		state = state.Or(Warning)
		if h.Name == f.Host {
			state = Critical
		}
	}
	figures := []Figure{
		{Name: "hosts", Value: float64(len(hosts)), Unit: Count},
		{Name: "away", Value: float64(len(away)), Unit: Count},
		{Name: "behind", Value: float64(len(behind)), Unit: Count},
	}
	if state == OK {
		return ok("%s on what is wanted", ui.Plural(len(hosts), "host")).with(figures...)
	}
	message := fmt.Sprintf("%d of %s away, %d not on what is wanted", len(away), ui.Plural(len(hosts), "host"), len(behind))
	r := problem(state, message, fmt.Sprintf(`look at "relink fleet status --app %s" and at the log of the agent there (journalctl -u relink-agent); a host that does not come back: "relink fleet remove HOST"`, app)).with(figures...)
	r.Details = details
	return r
}
