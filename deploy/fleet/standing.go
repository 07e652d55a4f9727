package fleet

import (
	"maps"
	"slices"
)

// Standing is where one host is with an application.
type Standing struct {
	Name    string            `json:"name"`              // of the host
	There   bool              `json:"there"`             // its agent has a lease
	Ready   bool              `json:"ready"`             // what its /readyz says
	Why     string            `json:"why,omitempty"`     // it is not ready
	Problem string            `json:"problem,omitempty"` // with its certificate
	Labels  map[string]string `json:"labels,omitempty"`  // by which hosts are chosen
	Wanted  Target            `json:"wanted"`            // what it is to be on
	On      AppOn             `json:"on"`                // what it is on; where it is away: as it arrived last
	Stage   Stage             `json:"stage,omitempty"`   // how far it has come with its last rollout
}

// Behind tells whether the host is there, and not on what is wanted.
func (s Standing) Behind() bool {
	return s.There && s.Wanted != (Target{}) && !s.Wanted.Is(s.On) && !s.On.Idle()
}

// StandingOf tells of each host that belongs to the fleet and has the application, sorted by
// name; there are those whose agents are there, as they say.
func StandingOf(app string, s State, members, there map[string]Host, votes map[string]Vote) []Standing {
	all := []Standing{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		h, is := there[name]
		if !is {
			h = members[name]
			h.Ready, h.Why = false, "away"
		}
		on, has := h.Apps[app]
		if !has {
			continue
		}
		all = append(all, Standing{Name: name, There: is, Ready: h.Ready, Why: h.Why, Problem: h.Problem, Labels: h.Labels, Wanted: s.WantedOf(name), On: on, Stage: votes[name].Stage})
	}
	return all
}
