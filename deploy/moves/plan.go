// Package moves plans where links are to lead, and moves them: prepared beside the
// old ones, then renamed over them, so that nothing but renames lies between the
// first and the last.
package moves

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

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

// Plan is the list of moves of one deploy, those that are not needed included.
type Plan []Move

// Needed is the part of the plan that changes something.
func (p Plan) Needed() Plan {
	return slices.DeleteFunc(slices.Clone(p), func(m Move) bool { return !m.Needed() })
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
	var from []string
	for _, move := range p {
		if move.From.Exists() && !move.Stays {
			from = append(from, move.From.Release)
		}
	}
	return commonest(from)
}

// commonest is the first of those that no other outnumbers; "" where there is none.
func commonest(releases []string) (most string) {
	count := map[string]int{}
	for _, one := range releases {
		if count[one]++; count[one] > count[most] {
			most = one
		}
	}
	return most
}

// Undoable are the moves back of those links that lead to their new target, and
// the links that lead to neither of the two.
func Undoable(plan Plan) (back Plan, strangers []string) {
	look := links.NewLook()
	for _, move := range plan {
		switch now := look.Read(move.Place); {
		case move.To.IsAt(now):
			back = append(back, move.Back())
		case move.From.IsAt(now):
		default:
			strangers = append(strangers, move.Link)
		}
	}
	return back, strangers
}

// Gone tells whether every link is where it was before the moves.
func Gone(plan Plan) bool {
	look := links.NewLook()
	return !slices.ContainsFunc(plan, func(m Move) bool { return !m.From.IsAt(look.Read(m.Place)) })
}

// Unchanged refuses links that somebody has changed since they were read, before the
// fetch and the build: what an administrator does by hand meanwhile is meant.
func Unchanged(plan Plan) error {
	var changed []error
	look := links.NewLook()
	for _, move := range plan {
		if now := look.Read(move.Place); !move.From.IsAt(now) {
			changed = append(changed, fmt.Errorf("instance %s: its link was changed meanwhile: %s led to %s before this deploy and now %s",
				move.Instance, move.Link, cmp.Or(move.From.Literal, "nothing"), now.Leads()))
		}
	}
	return hint.With(errors.Join(changed...), "run the command again: it begins with what is there now")
}

// ByInstance are the moves by the instances' names.
func (p Plan) ByInstance() map[string]Move {
	moves := make(map[string]Move, len(p))
	for _, move := range p {
		moves[move.Instance] = move
	}
	return moves
}

// LeftBy are the releases that the moves lead away from.
func LeftBy(plan Plan) map[string]bool {
	ids := map[string]bool{}
	for _, move := range plan {
		ids[move.From.Release] = true
	}
	return ids
}

// Meeting are the releases whose pages and assets are asked for around the switch:
// those that links lead to now, and those that they will lead to.
func Meeting(plan Plan) []string {
	var ids []string
	for _, move := range plan.Needed() {
		for _, id := range []string{move.From.Release, move.To.Release} {
			if id != "" && !filepath.IsAbs(id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
