package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Condition is how a host stands with an application, in a word.
type Condition string

const (
	Well     Condition = "ok"
	Away     Condition = "away"      // its agent has no lease
	Moving   Condition = "moving"    // it takes part in the rollout that is under way
	Behind   Condition = "behind"    // it is there, and not on what is wanted
	NotReady Condition = "not ready" // for another reason
)

// Standing is where one host is with an application.
type Standing struct {
	Name    string            `json:"name"`              // of the host
	State   Condition         `json:"state"`             // how it stands, in a word
	There   bool              `json:"there"`             // its agent has a lease
	Ready   bool              `json:"ready"`             // what its /readyz says
	Why     string            `json:"why,omitempty"`     // it is not ready
	Problem string            `json:"problem,omitempty"` // with its certificate
	Labels  map[string]string `json:"labels,omitempty"`  // by which hosts are chosen
	Wanted  Target            `json:"wanted"`            // what it is to be on
	On      AppOn             `json:"on"`                // what it is on; where it is away: as it arrived last
	Stage   Stage             `json:"stage,omitempty"`   // how far it has come with the last rollout, where it is part of that
}

// Overview is where all hosts are with one application.
type Overview struct {
	App     string     `json:"app"`
	Rollout *Rollout   `json:"rollout"` // the last one; null: none yet
	Paused  *Pause     `json:"paused"`  // null: rollouts may begin
	Hosts   []Standing `json:"hosts"`
}

// UnderWay is the rollout that has not ended; nil for none.
func (o Overview) UnderWay() *Rollout {
	if o.Rollout == nil || o.Rollout.Ended {
		return nil
	}
	return o.Rollout
}

// OverviewOf tells of each host that belongs to the fleet and has the application, sorted by
// name; there are those whose agents are there, as they say.
func OverviewOf(app string, s State, members, there map[string]Host, votes map[string]Vote) Overview {
	all := Overview{App: app, Rollout: s.Rollout, Paused: s.Paused, Hosts: []Standing{}}
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
		one := Standing{Name: name, There: is, Ready: h.Ready, Why: h.Why, Problem: h.Problem, Labels: h.Labels, Wanted: s.WantedOf(name), On: on, Stage: s.Rollout.stageOf(name, votes[name])}
		one.State = one.condition(s.Rollout)
		all.Hosts = append(all.Hosts, one)
	}
	return all
}

// stageOf is how far a host has come, by what it has said last; "" where it is not part of
// the rollout.
func (r *Rollout) stageOf(host string, last Vote) Stage {
	switch {
	case r == nil || !slices.Contains(r.Hosts, host):
		return ""
	case last.Rollout == r.ID:
		return cmp.Or(last.Stage, Working)
	case r.Phase.Decided() || r.isOut(host):
		return ""
	}
	return Working
}

func (s Standing) condition(r *Rollout) Condition {
	switch {
	case !s.There:
		return Away
	case r != nil && !r.Ended && s.Stage != "" && !s.Stage.Final() && !r.isOut(s.Name):
		return Moving
	case s.Wanted != (Target{}) && !s.Wanted.Is(s.On) && !s.On.Idle():
		return Behind
	case !s.Ready:
		return NotReady
	}
	return Well
}

// stages are in the order of a rollout.
var stages = []Stage{Working, Ready, Switched, Finished, Returned, Failed}

// Count is how many hosts have come so far with a rollout.
type Count struct {
	Stage Stage
	Hosts int
}

// Counts has all stages, in the order of a rollout.
func (o Overview) Counts() []Count {
	all := make([]Count, len(stages))
	for i, stage := range stages {
		all[i].Stage = stage
		for _, h := range o.Hosts {
			if h.Stage == stage {
				all[i].Hosts++
			}
		}
	}
	return all
}

// Progress tells how far the hosts of the last rollout have come.
func (o Overview) Progress() string {
	var parts []string
	for _, c := range o.Counts() {
		if c.Hosts > 0 {
			parts = append(parts, fmt.Sprint(c.Hosts, " ", c.Stage))
		}
	}
	return strings.Join(parts, ", ")
}

// In are the names of the hosts in a condition.
func (o Overview) In(c Condition) []string {
	names := []string{}
	for _, h := range o.Hosts {
		if h.State == c {
			names = append(names, h.Name)
		}
	}
	return names
}
