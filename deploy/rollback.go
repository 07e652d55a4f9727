package deploy

import (
	"context"
	"slices"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
)

// Rollback brings o.Instances back to o.To, or each to the release that it had
// before, by the same steps as a deploy.
func Rollback(ctx context.Context, o Options, d Deps) (outcome.Report, error) {
	return operate(ctx, o, d, journal.OperationRollback, (*run).rollback, (*run).dryRollback)
}

func (r *run) rollback(ctx context.Context) error {
	s := r.inOrder()
	left := take(ctx, s, "recover", r.recoverLeft)
	r.journal.Unsettled = left.unsettled
	found := take(ctx, s, "preflight", r.preflight(left.server))
	to := take(ctx, s, "choose", r.choose(found))
	if s.err != nil {
		return r.abandon(ctx, s.err, prepared{})
	}
	if !slices.ContainsFunc(to.goals, moves.Goal.Moves) {
		r.report.Warn("every link leads there already")
		return nil
	}
	return r.bringLive(ctx, found, to)
}

// choose finds where each instance goes back to.
func (r *run) choose(found server) step[coming] {
	return func(context.Context) (to coming, summary string, err error) {
		if to.goals, err = r.planner().FindTargets(found.states, r.To); err != nil {
			return to, "", err
		}
		if _, err := r.planMoves(found, to.goals); err != nil {
			return to, "", err
		}
		to = r.goingTo(to)
		return to, to.release.ID, nil
	}
}
