package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/internal/hint"
	"relink/internal/links"
)

// ErrBadRelease: the release was marked bad when it failed.
var ErrBadRelease = errors.New("marked bad")

// Rollback brings o.Instances back to o.To, or each to the release that it had
// before, by the same steps as a deploy.
func Rollback(ctx context.Context, o Options, d Deps) (outcome.Report, error) {
	return operate(ctx, o, d, journal.OperationRollback, work{
		real: func(ctx context.Context, r *run) error { return r.rollback(ctx, o.To) },
		dry:  func(ctx context.Context, r *run) error { return r.dryRollback(ctx, o.To) },
	})
}

func (r *run) rollback(ctx context.Context, id string) error {
	s := r.inOrder()
	left := take(ctx, s, "recover", r.recoverLeft)
	r.journal.Unsettled = left.unsettled
	found := take(ctx, s, "preflight", r.preflight(left.server))
	to := take(ctx, s, "choose", r.choose(found, id))
	if s.err != nil {
		return r.abandon(ctx, s.err, prepared{})
	}
	if !slices.ContainsFunc(to.goals, goal.moves) {
		r.report.Warn("every link leads there already")
		return nil
	}
	return r.bringLive(ctx, found, to)
}

// choose finds where each instance goes back to.
func (r *run) choose(found server, id string) step[coming] {
	return func(context.Context) (to coming, summary string, err error) {
		if to.goals, err = r.findTargets(found.states, id); err != nil {
			return to, "", err
		}
		if _, err := r.planMoves(found, to.goals); err != nil {
			return to, "", err
		}
		to = r.goingTo(to)
		return to, to.release.ID, nil
	}
}

// findTargets sends all to the release of this id, or each to the one before.
func (r *run) findTargets(states []links.State, id string) ([]goal, error) {
	if id != "" {
		return r.everywhere(states, id), r.mayServe(r.App.Destination(id))
	}
	history, err := journal.History(r.App.HistoryFile())
	if err != nil {
		return nil, err
	}
	to := make([]moves.Destination, len(states))
	var failed []error
	checked := map[moves.Destination]bool{}
	for i, instance := range r.Instances {
		if to[i], err = r.targetBefore(history, instance, states[i]); err == nil && !checked[to[i]] {
			checked[to[i]] = true
			err = r.mayServe(to[i])
		}
		failed = append(failed, err)
	}
	return r.goals(states, to), errors.Join(failed...)
}

func (r *run) targetBefore(history []journal.Event, instance apps.Instance, state links.State) (moves.Destination, error) {
	current := moves.TargetOf(state, r.App.RealReleases())
	newContents(r.store).complete(&current)
	target, found := journal.Before(history, instance.Name, current)
	if !found {
		return moves.Destination{}, hint.With(fmt.Errorf("instance %s: nothing is known of before %s", instance.Name, orNone(current.Release)),
			`choose a release from "relink releases" and name it with --to`)
	}
	if !filepath.IsAbs(target.Release) {
		id, err := r.present(target.Served())
		return r.App.Destination(id), err
	}
	return moves.Destination{Release: target.Release, Path: target.Real, Real: target.Real}, nil
}

func orNone(release string) string {
	if release == "" {
		return "its first deploy"
	}
	return release
}

// mayServe refuses what is gone, and what has proven bad.
func (r *run) mayServe(to moves.Destination) error {
	if info, err := os.Stat(to.Real); errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return hint.With(fmt.Errorf("release %s: %s does not exist", to.Release, to.Real),
			`choose a release from "relink releases" and name it with --to`)
	} else if err != nil {
		return fmt.Errorf("release %s: %w", to.Release, err)
	}
	if filepath.IsAbs(to.Release) {
		return nil
	}
	known, err := r.store.Get(to.Release)
	if err != nil {
		return err
	}
	if known.Bad != nil && !r.Force {
		return hint.With(fmt.Errorf("release %s: %w: %s", to.Release, ErrBadRelease, known.Bad.Reason),
			"name another release with --to, or take this one with --force")
	}
	return nil
}

func commonest(to []moves.Destination) string {
	count, best := map[string]int{}, ""
	for _, one := range to {
		count[one.Release]++
		if count[one.Release] > count[best] {
			best = one.Release
		}
	}
	return best
}
