package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/internal/hint"
	"relink/internal/links"
)

// ErrBadRelease: the release was marked bad when it failed.
var ErrBadRelease = errors.New("marked bad")

// Rollback brings o.Instances back to o.To, or each to the release that it had
// before, by the same steps as a deploy.
func Rollback(ctx context.Context, o Options, d Deps) (Report, error) {
	return begin(ctx, o, d, OperationRollback, (*run).rollback, (*run).dryRollback)
}

func (r *run) rollback(ctx context.Context) error {
	if err := r.inOrder(ctx,
		step{"recover", r.recoverLeft},
		step{"preflight", r.preflight},
		step{"choose", r.choose},
	); err != nil {
		return r.abandon(ctx, err)
	}
	if len(r.plan.Needed()) == 0 {
		r.report.warn("every link leads there already")
		return nil
	}
	return r.bringLive(ctx)
}

// choose finds where each instance goes back to.
func (r *run) choose(context.Context) (string, error) {
	if err := r.findTargets(); err != nil {
		return "", err
	}
	if err := r.planMoves(); err != nil {
		return "", err
	}
	r.goesTo(commonest(r.to))
	return r.release.ID, nil
}

func (r *run) findTargets() error {
	if r.To != "" {
		r.to = r.everywhere(r.App.destination(r.To))
		return r.mayServe(r.to[0])
	}
	history, err := readHistory(r.App.historyFile())
	if err != nil {
		return err
	}
	r.to = make([]Destination, len(r.Instances))
	var failed []error
	checked := map[Destination]bool{}
	for i, instance := range r.Instances {
		if r.to[i], err = r.targetBefore(history, instance, r.states[i]); err == nil && !checked[r.to[i]] {
			checked[r.to[i]] = true
			err = r.mayServe(r.to[i])
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (r *run) targetBefore(history []Event, instance Instance, state links.State) (Destination, error) {
	current := targetOf(state, r.App.realReleases())
	r.nameContent(&current)
	target, found := before(history, instance.Name, current)
	if !found {
		return Destination{}, hint.With(fmt.Errorf("instance %s: nothing is known of before %s", instance.Name, orNone(current.Release)),
			`choose a release from "relink releases" and name it with --to`)
	}
	if !filepath.IsAbs(target.Release) {
		id, err := r.present(target.content())
		return r.App.destination(id), err
	}
	return Destination{Release: target.Release, Path: target.Real, Real: target.Real}, nil
}

func orNone(release string) string {
	if release == "" {
		return "its first deploy"
	}
	return release
}

// mayServe refuses what is gone, and what has proven bad.
func (r *run) mayServe(to Destination) error {
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

func commonest(to []Destination) string {
	count, best := map[string]int{}, ""
	for _, one := range to {
		count[one.Release]++
		if count[one.Release] > count[best] {
			best = one.Release
		}
	}
	return best
}
