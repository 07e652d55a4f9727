package moves

import (
	"path/filepath"
	"relink/internal/links"
	"slices"
)

// Undoable are the moves back of those links that lead to their new target, and
// the links that lead to neither of the two.
func Undoable(plan Plan) (back Plan, strangers []string) {
	for _, move := range plan {
		switch now := links.Read(move.Place); {
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
	return !slices.ContainsFunc(plan, func(m Move) bool { return !m.From.IsAt(links.Read(m.Place)) })
}

// MoveIn is the instance's move, or none.
func MoveIn(plan Plan, instance string) Move {
	for _, move := range plan {
		if move.Instance == instance {
			return move
		}
	}
	return Move{}
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
