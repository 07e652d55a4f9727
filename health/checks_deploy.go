package health

import (
	"errors"
	"fmt"

	"relink/deploy/journal"
	"relink/internal/ui"
)

func checkDeploy(f *Facts, a *App, _ *Thresholds) Result {
	switch {
	case a.Locked != nil:
		return ok("under way for %s, by %s", ui.Duration(f.Time.Sub(a.Locked.Since)), a.Locked.User)
	case errors.Is(a.DeployErr, journal.ErrJournal):
		r := notMade(a.DeployErr)
		r.State = Critical
		return r.blocking()
	case a.DeployErr != nil:
		return notMade(a.DeployErr)
	case a.Pending != nil && a.Pending.Phase != journal.PhaseSettled:
		return interrupted(a)
	case a.Last == nil:
		return ok("none yet")
	case !a.Last.Moved():
		return problem(Warning, fmt.Sprintf("%s of %s at %s failed and was rolled back: %s", a.Last.Operation, a.Last.Release, ui.Stamp(a.Last.Time), oneLine(a.Last.Undone)),
			"mend the cause and deploy again")
	}
	return ok("%s of %s at %s", a.Last.Operation, a.Last.Release, ui.Stamp(a.Last.Time)).
		with(Figure{Name: "age", Value: f.Time.Sub(a.Last.Time).Seconds(), Unit: Seconds})
}

// interrupted judges the journal of an operation that no process runs any more.
func interrupted(a *App) Result {
	state := Critical
	if a.Pending.Phase == journal.PhaseStaging || a.Pending.Phase == journal.PhaseStaged {
		state = Warning
	}
	return problem(state, fmt.Sprintf("%s of %s, begun at %s, was interrupted (%s)", a.Pending.Operation, a.Pending.Release, ui.Stamp(a.Pending.Since), a.Pending.Phase),
		fmt.Sprintf(`run "relink recover --app %s"`, a.Name))
}
