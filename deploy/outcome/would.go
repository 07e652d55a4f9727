package outcome

import (
	"fmt"
	"relink/deploy/moves"
)

func Would(r *Report, format string, args ...any) {
	r.Would = append(r.Would, fmt.Sprintf(format, args...))
}

func WouldRun(r *Report, hook string, commands []string) {
	for _, command := range commands {
		Would(r, "run the %s hook: %s", hook, command)
	}
}

func WouldMove(r *Report, move moves.Move) {
	switch {
	case !move.Needed():
		Would(r, "leave %s as it is: %s -> %s", move.Instance, move.Link, move.From.Literal)
	case move.Stays:
		Would(r, "move %s along, to the same release under its new path: %s -> %s, now %s", move.Instance, move.Link, move.To.Literal, move.From.Literal)
	case move.From.Exists():
		Would(r, "move %s: %s -> %s, now %s", move.Instance, move.Link, move.To.Literal, move.From.Literal)
	default:
		Would(r, "create %s: %s -> %s", move.Instance, move.Link, move.To.Literal)
	}
}
