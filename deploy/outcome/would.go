package outcome

import (
	"fmt"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/opcache"
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

// WouldClear tells what becomes of the caches: of these pools, which serve previous.
func WouldClear(r *Report, reset journal.Reset, apcu bool, addressing opcache.Addressing, pools, previous string) {
	if reset == journal.ResetNever {
		Would(r, "leave the caches alone: OPcache keeps serving %s until PHP-FPM is restarted", previous)
		if apcu {
			Would(r, "leave APCu as it is: with --reset never it is not cleared either")
		}
		return
	}
	if addressing == opcache.Resolved {
		Would(r, "leave the caches as they are: the web server sends real paths")
	} else {
		Would(r, "clear the realpath cache of every worker of %s", pools)
	}
	if !addressing.Reuses() {
		Would(r, "invalidate all that OPcache holds of %s", previous)
	}
	if apcu {
		Would(r, "clear APCu of %s", pools)
	}
	if reset == journal.ResetAlways {
		Would(r, "restart OPcache at a quiet moment")
	}
}
