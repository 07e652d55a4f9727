package moves

import (
	"fmt"
	"path/filepath"

	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
)

// Goal is where one instance is, and where it shall be after the switch.
type Goal struct {
	Instance config.Instance
	State    links.State // of its link
	Now      Target
	To       Target // its Literal is the folder as configured
	Chosen   bool   // the run is about it; else it stays where it is, or moves along
}

// Leaves tells whether the instance leaves the path that it is on.
func (g Goal) Leaves() bool { return g.Now.Exists() && g.Moves() }

// Moves tells whether there is anything to do.
func (g Goal) Moves() bool { return g.To.Real != g.Now.Real }

// InstancesOf are those of the goals, in their order.
func InstancesOf(goals []Goal) []config.Instance {
	all := make([]config.Instance, len(goals))
	for i, g := range goals {
		all[i] = g.Instance
	}
	return all
}

// Commonest is the release that most of the chosen instances go to.
func Commonest(goals []Goal) string {
	var to []string
	for _, g := range goals {
		if g.Chosen {
			to = append(to, g.To.Release)
		}
	}
	return commonest(to)
}

// New is what brings the instances to their goals.
func New(goals []Goal) (Plan, error) {
	plan, taken := make(Plan, 0, len(goals)), map[string]string{}
	for _, g := range goals {
		place := g.State.Place()
		if other, twice := taken[place]; twice {
			return nil, hint.With(exit.As(exit.ErrUsage, fmt.Errorf("instances %s and %s are the same link %s", other, g.Instance.Name, place)),
				"give each instance a link of its own, or list it once")
		}
		taken[place] = g.Instance.Name
		plan = append(plan, Move{
			Instance: g.Instance.Name, Link: g.Instance.Link, Place: place,
			From: g.Now, To: Target{Release: g.To.Release, Literal: literalFor(g.State, g.To), Real: g.To.Real},
			UID: g.State.UID, GID: g.State.GID, Stays: !g.Chosen,
		})
	}
	return plan, nil
}

// TargetOf is where a link leads now. releases is the real path of the releases folder.
func TargetOf(state links.State, releases string) Target {
	return TargetsOf([]links.State{state}, releases)[0]
}

// TargetsOf is where links lead now, in their order. releases is the real path of the
// releases folder.
func TargetsOf(states []links.State, releases string) []Target {
	targets, look := make([]Target, len(states)), links.NewLook()
	for i, state := range states {
		if state.Kind == links.Good || state.Kind == links.Dangling {
			targets[i] = Target{Release: look.Release(state.Real, releases), Literal: state.Literal, Real: state.Real}
		}
	}
	return targets
}

// literalFor keeps the style of the link that is there: people who made
// relative links did so because their tree is moved or mounted elsewhere.
func literalFor(state links.State, to Target) string {
	if state.Literal == "" || filepath.IsAbs(state.Literal) {
		return to.Literal
	}
	// The kernel resolves a relative link from the real folder it lies in.
	relative, err := filepath.Rel(state.Parent, links.Named(to.Real, to.Release))
	if err != nil {
		return to.Literal
	}
	return relative
}
