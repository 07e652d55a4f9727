// Package moves plans where links are to lead, and moves them: prepared beside the
// old ones, then renamed over them, so that nothing but renames lies between the
// first and the last.
package moves

import (
	"cmp"
	"fmt"
	"path/filepath"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
)

// Target is one end of a move: where a link leads. The zero Target is "no link".
type Target struct {
	Release string `json:"release,omitempty"` // release id; for a folder that is no release, its real path
	Literal string `json:"literal,omitempty"` // the link's text
	Real    string `json:"real,omitempty"`    // the real folder
	Content string `json:"content,omitempty"` // the release that Release repeats, which outlives it
}

// IsAt tells whether a link leads there, or there is none where the target is none.
func (t Target) IsAt(state links.State) bool {
	if !t.Exists() {
		return state.Kind == links.Missing || state.Kind == links.NoParent
	}
	return state.Literal == t.Literal
}

// Exists tells a target from "no link".
func (t Target) Exists() bool { return t.Literal != "" }

// Served names what is served there.
func (t Target) Served() string { return cmp.Or(t.Content, t.Release) }

// Move is what happens to one instance's link.
type Move struct {
	Instance string `json:"instance"`
	Link     string `json:"link"`  // as configured
	Place    string `json:"place"` // the same, its folder resolved
	From     Target `json:"from"`
	To       Target `json:"to"`
	UID      int    `json:"uid"` // owner to keep; -1: a new link
	GID      int    `json:"gid"`
	Stays    bool   `json:"stays,omitempty"` // To repeats From: the instance stays on its release under a new path
}

// Needed is false for a link that leads there already.
func (m Move) Needed() bool { return m.From.Real != m.To.Real || m.From.Exists() != m.To.Exists() }

// Back is the move that undoes m.
func (m Move) Back() Move {
	m.From, m.To = m.To, m.From
	return m
}

// Destination is the release that links are to lead to.
type Destination struct {
	Release string // id, or the real path of a folder that is no release
	Path    string // folder for the link, spelled as configured
	Real    string // the same folder, real
}

// Plan is the list of moves of one deploy, those that are not needed included.
type Plan []Move

// Needed is the part of the plan that changes something.
func (p Plan) Needed() Plan {
	var needed Plan
	for _, move := range p {
		if move.Needed() {
			needed = append(needed, move)
		}
	}
	return needed
}

// Back is the plan that undoes p.
func (p Plan) Back() Plan {
	back := make(Plan, len(p))
	for i, move := range p {
		back[i] = move.Back()
	}
	return back
}

// Previous is the release that most of the moved instances come from.
func (p Plan) Previous() string {
	count, previous := map[string]int{}, ""
	for _, move := range p {
		if !move.From.Exists() || move.Stays {
			continue
		}
		count[move.From.Release]++
		if count[move.From.Release] > count[previous] {
			previous = move.From.Release
		}
	}
	return previous
}

// Instance is a site's link by its name.
type Instance struct{ Name, Link string }

// New is what brings the instances, whose links are in these states, to their
// destinations. releases is the real path of the releases folder.
func New(instances []Instance, states []links.State, to []Destination, releases string) (Plan, error) {
	plan, taken := make(Plan, 0, len(instances)), map[string]string{}
	for i, instance := range instances {
		place := states[i].Place()
		if other, twice := taken[place]; twice {
			return nil, hint.With(exit.As(exit.ErrUsage, fmt.Errorf("instances %s and %s are the same link %s", other, instance.Name, place)),
				"give each instance a link of its own, or list it once")
		}
		taken[place] = instance.Name
		plan = append(plan, planMove(instance, states[i], to[i], releases))
	}
	return plan, nil
}

func planMove(instance Instance, state links.State, to Destination, releases string) Move {
	return Move{
		Instance: instance.Name, Link: instance.Link, Place: state.Place(),
		From: TargetOf(state, releases),
		To:   Target{Release: to.Release, Literal: literalFor(state, to), Real: to.Real},
		UID:  state.UID, GID: state.GID,
	}
}

// TargetOf is where a link leads now.
func TargetOf(state links.State, releases string) Target {
	if state.Kind != links.Good && state.Kind != links.Dangling {
		return Target{}
	}
	return Target{Release: links.Release(state.Real, releases), Literal: state.Literal, Real: state.Real}
}

// literalFor keeps the style of the link that is there: people who made
// relative links did so because their tree is moved or mounted elsewhere.
func literalFor(state links.State, to Destination) string {
	if state.Literal == "" || filepath.IsAbs(state.Literal) {
		return to.Path
	}
	// The kernel resolves a relative link from the real folder it lies in.
	relative, err := filepath.Rel(state.Parent, to.Real)
	if err != nil {
		return to.Path
	}
	return relative
}
