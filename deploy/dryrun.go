package deploy

import (
	"context"
	"strings"

	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/paths"
	"relink/deploy/release"
	"relink/internal/ui"
)

// A dry run reads and says; it takes no lock, writes nothing, and calls a pool only
// where the agent is installed already.

func (r *run) dryDeploy(ctx context.Context) error {
	found, unsettled, err := r.dryPreflight()
	if err != nil {
		return err
	}
	resolved, _, err := r.resolve(ctx)
	if err != nil {
		return err
	}
	same, err := r.planner().Same(found.states, resolved)
	if err != nil {
		return err
	}
	if same.ID != "" {
		r.report.Release = same.ID
		outcome.Would(r.report, "take %s, which other instances are on already", same.ID)
		return r.drySwitch(ctx, found, coming{release: same, goals: r.planner().Everywhere(found.states, same.ID)}, unsettled)
	}
	id, err := r.planner().NewID(resolved.Label)
	if err != nil {
		return err
	}
	r.report.Release = id
	outcome.Would(r.report, "fetch %s (%s, %s) into %s", r.Ref, resolved.Description, ui.Bytes(resolved.Bytes), r.store.Path(id))
	for _, entry := range r.App.Shared {
		outcome.Would(r.report, "link %s of the release to %s", entry, r.App.SharedDir)
	}
	outcome.WouldRun(r.report, "build", r.App.Hooks.Build)
	r.journal.Release, r.journal.Made = id, true
	made := release.Release{Manifest: release.Manifest{ID: id}}
	return r.drySwitch(ctx, found, coming{release: made, goals: r.planner().Everywhere(found.states, id)}, unsettled)
}

func (r *run) dryRollback(ctx context.Context) error {
	found, unsettled, err := r.dryPreflight()
	if err != nil {
		return err
	}
	goals, err := r.planner().FindTargets(found.states, r.To)
	if err != nil {
		return err
	}
	return r.drySwitch(ctx, found, r.goingTo(coming{goals: goals}), unsettled)
}

// dryPreflight takes the set-up of the last deploy for true: a dry run asks nobody.
func (r *run) dryPreflight() (found server, unsettled moves.Plan, err error) {
	if unsettled, err = r.dryLeft(); err != nil {
		return found, nil, err
	}
	if found.states, err = r.linkStates(); err != nil {
		return found, nil, err
	}
	found.addressing, err = journal.LastSetUp(r.App)
	return found, unsettled, err
}

// dryLeft is what recover would meet.
func (r *run) dryLeft() (unsettled moves.Plan, err error) {
	if err := lock.Held(r.App.LockFile()); err != nil {
		return nil, err
	}
	left, err := journal.Read(r.App.JournalFile())
	if err != nil || left == nil {
		return nil, err
	}
	outcome.Would(r.report, "%s the interrupted %s of %s first (phase %s)", left.Phase.Direction(), left.Operation, left.Release, left.Phase)
	return moves.StillUnsettled(left.Moves, left.Unsettled), nil
}

// drySwitch plans as the real run does, with names in place of releases that are
// not made, and describes the plan.
func (r *run) drySwitch(ctx context.Context, found server, to coming, unsettled moves.Plan) (err error) {
	to.goals, err = r.planner().Apart(found.addressing, to.goals, r.madeAnew(), func(of string) (moves.Target, error) {
		id, err := r.planner().NewID(r.store.LabelOf(of))
		if err != nil {
			return moves.Target{}, err
		}
		if found.addressing.Reuses() {
			outcome.Would(r.report, "bring %s back as %s, out of the files that are kept of it", of, id)
		} else {
			outcome.Would(r.report, "repeat %s as %s, a new folder of hard links: a path that a link has left must not serve again", of, id)
		}
		return r.App.Destination(id), nil
	})
	if err != nil {
		return err
	}
	r.goingTo(to)
	plan, err := r.planMoves(found, to.goals)
	if err != nil {
		return err
	}
	if r.Reset == journal.ResetSmart {
		outcome.Would(r.report, "compile, in the caches of %s, the scripts that are in use now", r.poolNames())
	}
	if len(r.App.Assets) > 0 {
		outcome.Would(r.report, "give the release the files that only other releases have in %s, and them those of the release", strings.Join(r.App.Assets, ", "))
	}
	outcome.WouldRun(r.report, "before_switch", r.App.Hooks.BeforeSwitch)
	for _, move := range plan {
		outcome.WouldMove(r.report, move)
	}
	reloads, err := r.wouldRenew(ctx, plan)
	if err != nil {
		return err
	}
	outcome.WouldClear(r.report, r.Reset, r.APCu, found.addressing, r.poolNames(), paths.OrNone(r.report.Previous))
	if !reloads && r.Reset == journal.ResetSmart {
		outcome.Would(r.report, "restart no process, unless OPcache runs out of room")
	}
	outcome.WouldRun(r.report, "after_switch", r.App.Hooks.AfterSwitch)
	removable, err := r.removable(plan, unsettled)
	if err != nil {
		r.report.Warn("prune: " + err.Error())
	}
	for _, one := range removable {
		outcome.Would(r.report, "remove release %s", one.ID)
	}
	return nil
}

func (r *run) poolNames() string {
	if len(r.Pools) == 0 {
		return "the pools of the running FPM masters"
	}
	return strings.Join(r.Pools, ", ")
}
