package deploy

import (
	"fmt"
	"relink/deploy/moves"
	"relink/deploy/outcome"
)

func would(r *outcome.Report, format string, args ...any) {
	r.Would = append(r.Would, fmt.Sprintf(format, args...))
}

func wouldRun(r *outcome.Report, hook string, commands []string) {
	for _, command := range commands {
		would(r, "run the %s hook: %s", hook, command)
	}
}

func wouldMove(r *outcome.Report, move moves.Move) {
	switch {
	case !move.Needed():
		would(r, "leave %s as it is: %s -> %s", move.Instance, move.Link, move.From.Literal)
	case move.Stays:
		would(r, "move %s along, to the same release under its new path: %s -> %s, now %s", move.Instance, move.Link, move.To.Literal, move.From.Literal)
	case move.From.Exists():
		would(r, "move %s: %s -> %s, now %s", move.Instance, move.Link, move.To.Literal, move.From.Literal)
	default:
		would(r, "create %s: %s -> %s", move.Instance, move.Link, move.To.Literal)
	}
}
