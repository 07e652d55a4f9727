package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relink/deploy/front"
	"relink/deploy/hooks"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/release"
	"relink/deploy/release/shared"
	"relink/deploy/slots"
	"relink/deploy/source"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/pace"
	"relink/internal/state"
	"relink/internal/ui"
)

// stage makes the release beside the others. Nothing that serves sees it.
func (r *run) stage(found server, resolved source.Resolved) step[coming] {
	return func(ctx context.Context) (to coming, summary string, err error) {
		same, err := r.planner().Same(found.states, resolved)
		if err != nil || same.ID != "" {
			r.report.Release = same.ID
			return coming{release: same, goals: r.planner().Everywhere(found.states, same.ID)}, same.ID + ", which other instances are on already", err
		}
		id, err := r.planner().NewID(resolved.Label)
		if err != nil {
			return to, "", err
		}
		r.report.Release = id
		r.journal.Release, r.journal.Made = id, true
		if err := r.note(journal.PhaseStaging); err != nil {
			return to, "", err
		}
		made, err := r.makeRelease(ctx, id, found, resolved)
		if err != nil {
			return to, "", err
		}
		// Its real path is known only now.
		to = coming{release: made, goals: r.planner().Everywhere(found.states, id)}
		return to, id + ", " + r.report.Staged.Describe(), r.note(journal.PhaseStaged)
	}
}

// makeRelease makes it, and says what was new where it was made.
func (r *run) makeRelease(ctx context.Context, id string, found server, resolved source.Resolved) (release.Release, error) {
	return r.staged(ctx, id, "", found, nil, func(staging *release.Staging) (release.Release, error) {
		made, err := r.build(ctx, staging, id, resolved)
		changes := staging.Changes()
		r.report.Staged = outcome.Staged{Slot: staging.Slot(), Files: made.Files, Changed: len(changes.Changed), Removed: len(changes.Removed)}
		return made, err
	})
}

// staged makes a release in a slot where a path that links have left may serve again,
// else in a folder of its own.
func (r *run) staged(ctx context.Context, id, prefer string, found server, needed []string, make slots.Make) (made release.Release, err error) {
	err = r.gently(ctx, func(ctx context.Context) error {
		made, err = r.slots(found, needed).Stage(ctx, id, prefer, make)
		return err
	})
	return made, err
}

func (r *run) slots(found server, needed []string) slots.Slots {
	return slots.Slots{
		Needed: slices.Concat(needed, r.journal.Repeats),
		App:    r.App, Store: r.store, Caches: found.caches, Unsettled: r.journal.Unsettled,
		Reuses: found.addressing.Reuses() && found.caches != nil && r.Reset != journal.ResetNever,
		Say:    func(what string) { r.Screen.Line("  stage: %s", what) },
	}
}

// gently does what visitors shall not notice, and what nobody waits for but who deploys.
func (r *run) gently(ctx context.Context, work func(context.Context) error) error {
	if r.Fast {
		return work(ctx)
	}
	return pace.Gently(ctx, work)
}

func (r *run) build(ctx context.Context, staging *release.Staging, id string, resolved source.Resolved) (made release.Release, err error) {
	if err := r.fetch(ctx, resolved, staging); err != nil {
		return made, err
	}
	if err := r.buildIn(ctx, staging, release.Manifest{ID: id, Commit: resolved.Commit}); err != nil {
		return made, err
	}
	if err := front.Install(r.App, staging.Path()); err != nil {
		return made, err
	}
	return staging.Seal(ctx, release.Manifest{
		Source: resolved.Source, Ref: resolved.Ref, Commit: resolved.Commit,
		Description: resolved.Description, SourceTime: resolved.Time,
	}, r.App.Required()...)
}

func (r *run) buildIn(ctx context.Context, staging *release.Staging, m release.Manifest) error {
	if err := shared.Link(ctx, staging.Path(), r.App.SharedDir, r.App.Shared); err != nil {
		return err
	}
	if len(r.App.Hooks.Build) > 0 {
		staging.BuildBegins()
	}
	build := func() error {
		return r.hook(ctx, "build", r.App.Hooks.Build, release.Release{Manifest: m, Path: staging.Path()})
	}
	if r.App.Hooks.BuildPriority == config.PriorityNormal {
		return pace.Normally(build)
	}
	return build()
}

func (r *run) fetch(ctx context.Context, resolved source.Resolved, staging *release.Staging) error {
	ctx, cancel := r.fetchTime(ctx)
	defer cancel()
	update, end := r.Screen.Following("fetch", "KB")
	defer end()
	progress := func(done, total int64) { update(int(done>>10), int(total>>10)) }
	return staging.Fetch(ctx, resolved.Fetcher, progress, r.App.Shared)
}

// runHook is a step of the hooks' commands.
func (r *run) runHook(name string, commands []string, rel release.Release) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return ui.PluralOrNone(len(commands), "command"), r.hook(ctx, name, commands, rel)
	}
}

// hook runs the commands of one hook in the release.
func (r *run) hook(ctx context.Context, name string, commands []string, rel release.Release) error {
	return hooks.Run(ctx, name, commands, hooks.Env{
		Dir: rel.Path, App: r.App.Name, Release: rel.ID, ReleaseDir: rel.Path, Previous: r.report.Previous, Ref: r.Ref, Commit: rel.Commit,
	}, r.App.Hooks.Timeout, func(line string) { r.Screen.Line("  %s: %s", name, line) })
}

// abandon is how a run ends that has changed nothing that serves: whatever it
// made is removed.
func (r *run) abandon(ctx context.Context, cause error, ready prepared) error {
	tidy, cancel := uninterrupted(ctx, tidyTime)
	defer cancel()
	failed := []error{ready.discard(), r.withdraw(), r.unwarm(tidy, ready)}
	for _, id := range r.made() {
		failed = append(failed, r.store.Remove(tidy, id))
	}
	if r.journal.Phase != "" {
		failed = append(failed, r.forget(r.journal.Unsettled))
	}
	if left := errors.Join(failed...); left != nil {
		cause = errors.Join(cause, hint.With(fmt.Errorf("clean up: %w", left), `run "relink recover"`))
	}
	return cause
}

// unwarm invalidates what the warm compiled of releases that are removed again.
func (r *run) unwarm(ctx context.Context, ready prepared) error {
	var folders []string
	for _, id := range r.made() {
		folders = append(folders, r.App.ReleaseDir(id))
	}
	folders = links.OutsideSlots(folders)
	if ready.cut == nil || len(folders) == 0 {
		return nil
	}
	_, err := ready.caches.Retire(ctx, folders)
	return err
}

// made are the releases that this run has sealed.
func (r *run) made() []string {
	return slices.DeleteFunc(append(r.madeAnew(), r.journal.Repeats...), func(id string) bool {
		_, err := r.store.Get(id)
		return err != nil
	})
}

// madeAnew leaves out repeats.
func (r *run) madeAnew() []string {
	if !r.journal.Made {
		return nil
	}
	return []string{r.journal.Release}
}

// note writes down how far the run has come, durably.
func (r *run) note(phase journal.Phase) error {
	r.journal.Phase = phase
	err := journal.Write(r.App.JournalFile(), r.journal)
	r.Reached("noted " + string(phase))
	return err
}

// reserve keeps room for the journal and the line of history of a way back: a disk
// that is full is what makes new releases fail.
func (r *run) reserve() error {
	const rest, perMove = 12 << 10, 2 << 10
	if err := state.Reserve(r.App.ReserveFile(), rest+perMove*int64(len(r.journal.Moves))); err != nil {
		return hint.With(fmt.Errorf("state folder: %w", err), "make room on its disk")
	}
	return nil
}

// forget ends the journal, but for the moves that are not settled.
func (r *run) forget(unsettled moves.Plan) error {
	if err := state.Remove(r.App.ReserveFile()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if len(unsettled) == 0 {
		return journal.Remove(r.App.JournalFile())
	}
	r.journal.Moves, r.journal.Unsettled, r.journal.Made, r.journal.EndWorkers = unsettled, nil, false, nil
	return r.note(journal.PhaseSettled)
}
