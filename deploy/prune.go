package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"relink/deploy/release"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// Pruned is what "relink prune" removed, or would remove.
type Pruned struct {
	App     string          `json:"app"`
	DryRun  bool            `json:"dry_run"`
	Removed []PrunedRelease `json:"removed"`
	Exit    int             `json:"exit"`
}

// PrunedRelease is a release that is gone, or would be.
type PrunedRelease struct {
	Release string `json:"release"`
	Bytes   int64  `json:"bytes"` // sum of its files' sizes
}

// Prune removes the releases that are neither live nor kept. It first has every
// worker end the request that it is in, so that none is in use, and drops what
// OPcache holds of them: PHP 7.4 cannot invalidate a file that is gone.
func Prune(ctx context.Context, o Options, d Deps) (Pruned, error) {
	result := Pruned{App: o.App.Name, DryRun: o.DryRun, Removed: []PrunedRelease{}}
	_, err := begin(ctx, o, d, OperationPrune,
		func(r *run, ctx context.Context) error { return r.pruneAlone(ctx, &result) },
		func(r *run, _ context.Context) error { return r.dryPrune(&result) })
	result.Exit = exit.Status(err)
	return result, err
}

func (r *run) pruneAlone(ctx context.Context, result *Pruned) error {
	left, err := readJournal(r.App.journalFile())
	if err != nil {
		return err
	}
	if left != nil {
		return hint.With(fmt.Errorf("an earlier %s of %s is not finished", left.Operation, left.Release), `run "relink recover" first`)
	}
	removable, err := r.removable()
	if err != nil || len(removable) == 0 {
		return err
	}
	if err := r.inOrder(ctx, step{"settle", func(ctx context.Context) (string, error) { return r.emptied(ctx, removable) }}); err != nil {
		return err
	}
	for _, one := range removable {
		if err := r.store.Remove(ctx, one.ID); err != nil {
			return err
		}
		result.Removed = append(result.Removed, PrunedRelease{one.ID, one.Bytes})
	}
	return nil
}

// emptied proves that no request runs on the releases and that no cache holds them.
func (r *run) emptied(ctx context.Context, removable []release.Release) (string, error) {
	if r.Force {
		return "not proven: --force", nil
	}
	if err := r.connect(ctx); err != nil {
		return "", hint.With(err, "or prune with --force: then a request that is still on an old release may fail")
	}
	cut, err := r.watchLinks(ctx, nil)
	if err != nil || cut == nil {
		return "", err
	}
	summary, err := r.settleBy(ctx, cut)
	if err != nil {
		return "", hint.With(err, "try again later, or prune with --force: then that request may fail")
	}
	folders := make([]string, len(removable))
	for i, one := range removable {
		folders[i] = one.Path
	}
	_, err = cut.Retire(ctx, folders)
	return summary, err
}

// removable is what may go, in the order to remove it.
func (r *run) removable() ([]release.Release, error) {
	live, err := r.App.InUse()
	if err != nil {
		return nil, err
	}
	releases, err := r.store.List()
	if err != nil {
		return nil, err
	}
	return release.Prunable(releases, live.IDs(), r.inUse(), r.App.Keep), nil
}

// inUse are the releases that a worker may still be on which has not been
// reached since the links left them.
func (r *run) inUse() map[string]bool {
	ids := map[string]bool{}
	for _, move := range r.unsettled {
		ids[move.From.Release] = true
	}
	return ids
}

// pruneAfter tidies up after a deploy, and never fails it.
func (r *run) pruneAfter(ctx context.Context) {
	err := r.take(ctx, step{"prune", func(ctx context.Context) (string, error) {
		removable, err := r.removable()
		for _, one := range removable {
			if err = errors.Join(err, r.store.Remove(ctx, one.ID)); err != nil {
				return "", err
			}
			r.report.Pruned = append(r.report.Pruned, one.ID)
		}
		return some(len(r.report.Pruned), "release"), err
	}})
	if err != nil {
		r.report.warn(err.Error())
	}
}

// Text writes the result for people.
func (p Pruned) Text(w io.Writer) error {
	verb := "removed"
	if p.DryRun {
		verb = "would remove"
	}
	if len(p.Removed) == 0 {
		_, err := fmt.Fprintln(w, "There is nothing to remove.")
		return err
	}
	for _, one := range p.Removed {
		if _, err := fmt.Fprintf(w, "%s %s, %s\n", verb, one.Release, ui.Bytes(one.Bytes)); err != nil {
			return err
		}
	}
	return nil
}
