package deploy

import (
	"context"
	"slices"
	"strings"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/paths"
	"relink/deploy/release"
	"relink/internal/ui"
)

func (r *run) planner() paths.Planner {
	return paths.Planner{App: r.App, Began: r.began, Chosen: r.Instances, Store: r.store, Reset: r.Reset, Rebuild: r.Rebuild, Force: r.Force, Warn: r.report.Warn}
}

// separate is the step in which the rule of paths is kept (apart).
func (r *run) separate(found server, to coming) step[coming] {
	return func(ctx context.Context) (coming, string, error) {
		goals, err := r.planner().Apart(found.addressing, to.goals, r.madeAnew(), func(of string) (moves.Target, error) { return r.repeatOne(ctx, found, to.goals, of) })
		if err != nil {
			return to, "", err
		}
		to.goals = goals
		return r.goingTo(to), r.separated(to), nil
	}
}

// separated tells, for the line of the step, who moves along and what was made.
func (r *run) separated(to coming) string {
	parts := slices.Clone(r.journal.Repeats)
	if n := len(to.goals) - len(r.Instances); n > 0 {
		parts = slices.Insert(parts, 0, ui.Plural(n, "other instance")+" to the same release under a new path")
	}
	return strings.Join(parts, ", ")
}

// goingTo names the release that the run is about: the one that most go to.
func (r *run) goingTo(to coming) coming {
	if id := moves.Commonest(to.goals); id != to.release.ID {
		r.report.Release = id
		to.release = release.Release{Manifest: release.Manifest{ID: id, Commit: to.release.Commit}, Path: r.App.ReleaseDir(id)}
	}
	return to
}

// repeatOne seals a repeat under a name that is in the journal before it is there. One that
// was put away is best made where it was: what its build has made may name that place.
func (r *run) repeatOne(ctx context.Context, found server, goals []moves.Goal, of string) (moves.Target, error) {
	var needed []string // other instances go there
	for _, g := range goals {
		needed = append(needed, g.To.Release)
	}
	id, err := r.planner().NewID(r.store.LabelOf(of))
	if err != nil {
		return moves.Target{}, err
	}
	r.journal.Repeats = append(r.journal.Repeats, id)
	if err = r.note(journal.PhaseStaging); err == nil {
		_, err = r.staged(ctx, id, r.store.MadeIn(of), found, needed, func(staging *release.Staging) (release.Release, error) {
			return r.store.Repeat(ctx, staging, of, func(ctx context.Context) error {
				return r.buildIn(ctx, staging, release.Manifest{ID: id})
			})
		})
	}
	if err != nil { // it is not there
		r.journal.Repeats = slices.DeleteFunc(r.journal.Repeats, func(one string) bool { return one == id })
		return moves.Target{}, err
	}
	return r.App.Destination(id), nil
}
