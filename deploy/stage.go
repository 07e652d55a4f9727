package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/ui"
)

// stage makes the release beside the others. Nothing that serves sees it.
func (r *run) stage(ctx context.Context) (string, error) {
	if same, err := r.sameAlready(); err != nil || same.ID != "" {
		r.release, r.report.Release, r.to = same, same.ID, r.everywhere(r.App.destination(same.ID))
		return same.ID + ", which other instances are on already", err
	}
	id := r.store.NewID(r.began, r.resolved.Label)
	r.release = release.Release{Manifest: release.Manifest{ID: id}, Path: r.store.Path(id)}
	r.report.Release = id
	r.journal.Release, r.journal.Made, r.journal.Unsettled = id, true, r.unsettled
	if err := r.note(PhaseStaging); err != nil {
		return "", err
	}
	staging, err := r.store.Stage(id)
	if err != nil {
		return "", err
	}
	if err := r.build(ctx, staging); err != nil {
		return "", errors.Join(err, staging.Abort())
	}
	return fmt.Sprintf("%s, %d files, %s", id, r.release.Files, ui.Bytes(r.release.Bytes)), r.note(PhaseStaged)
}

// sameAlready finds a release of the very commit on which other instances are:
// the rest of them are to share it, and OPcache needs no second copy. Where all
// the chosen ones are on it already, somebody wants it built again.
func (r *run) sameAlready() (release.Release, error) {
	none := release.Release{}
	if r.Rebuild || r.resolved.Commit == "" {
		return none, nil
	}
	live, err := r.App.InUse()
	if err != nil {
		return none, err
	}
	releases, err := r.store.List()
	if err != nil {
		return none, err
	}
	for _, one := range releases {
		same := one.Sealed && one.Bad == nil && one.Commit == r.resolved.Commit && one.Source == r.resolved.Source
		if same && live.IDs()[one.ID] && !r.allOn(one.ID) {
			return one, nil
		}
	}
	return none, nil
}

func (r *run) allOn(release string) bool {
	for _, state := range r.states {
		if targetOf(state, r.App.realReleases()).Release != release {
			return false
		}
	}
	return true
}

// everywhere sends every instance to the same place.
func (r *run) everywhere(to Destination) []Destination {
	return slices.Repeat([]Destination{to}, len(r.Instances))
}

func (r *run) build(ctx context.Context, staging *release.Staging) error {
	if err := r.fetch(ctx, staging.Path()); err != nil {
		return err
	}
	if err := release.LinkShared(ctx, staging.Path(), r.App.SharedDir, r.App.Shared); err != nil {
		return err
	}
	if err := r.hook(ctx, "build", r.App.Hooks.Build, staging.Path()); err != nil {
		return err
	}
	if err := r.installProbe(staging.Path()); err != nil {
		return err
	}
	sealed, err := staging.Seal(ctx, r.manifest(), r.App.required()...)
	if err != nil {
		return err
	}
	r.release, r.made = sealed, append(r.made, sealed.ID)
	r.to = r.everywhere(r.App.destination(sealed.ID)) // its real path is known only now
	return nil
}

func (r *run) fetch(ctx context.Context, into string) error {
	ctx, cancel := r.fetchTime(ctx)
	defer cancel()
	update, end := r.progress("fetch", "KB")
	defer end()
	return r.resolved.Fetch(ctx, into, func(done, total int64) { update(int(done>>10), int(total>>10)) })
}

func (r *run) manifest() release.Manifest {
	return release.Manifest{
		Source: r.resolved.Source, Ref: r.resolved.Ref, Commit: r.resolved.Commit,
		Description: r.resolved.Description, SourceTime: r.resolved.Time,
	}
}

// hook runs the commands of one hook in dir.
func (r *run) hook(ctx context.Context, name string, commands []string, dir string) error {
	return release.RunHooks(ctx, name, commands, release.HookEnv{
		Dir: dir, App: r.App.Name, Release: r.release.ID, ReleaseDir: dir, Previous: r.plan.Previous(), Ref: r.Ref, Commit: r.resolved.Commit,
	}, r.App.Hooks.Timeout, func(line string) { r.Screen.Line("  %s: %s", name, line) })
}

// abandon is how a run ends that has changed nothing that serves: whatever it
// made is removed.
func (r *run) abandon(ctx context.Context, cause error) error {
	tidy, cancel := uninterrupted(ctx, tidyTime)
	defer cancel()
	var failed []error
	if r.links != nil {
		failed = append(failed, r.links.discard())
	}
	failed = append(failed, r.discardMap(), r.expectNothing())
	failed = append(failed, r.unwarm(tidy))
	for _, id := range r.made {
		failed = append(failed, r.store.Remove(tidy, id))
	}
	if r.journal.Phase != "" {
		failed = append(failed, r.forget())
	}
	if left := errors.Join(failed...); left != nil {
		cause = errors.Join(cause, hint.With(fmt.Errorf("clean up: %w", left), `run "relink recover"`))
	}
	return cause
}

// unwarm invalidates what the warm compiled of releases that are removed again.
func (r *run) unwarm(ctx context.Context) error {
	if r.cut == nil || len(r.made) == 0 {
		return nil
	}
	folders := make([]string, len(r.made))
	for i, id := range r.made {
		folders[i] = r.App.releaseDir(id)
	}
	_, err := r.caches.Retire(ctx, folders)
	return err
}

// note writes down how far the run has come, durably.
func (r *run) note(phase Phase) error {
	r.journal.Phase = phase
	err := writeJournal(r.App.journalFile(), r.journal)
	r.Reached("noted " + string(phase))
	return err
}

// forget ends the journal, but for what earlier deploys left unsettled.
func (r *run) forget() error {
	if len(r.unsettled) == 0 {
		return removeJournal(r.App.journalFile())
	}
	r.journal.Moves, r.journal.Unsettled, r.journal.Made, r.journal.EndWorkers = r.unsettled, nil, false, nil
	return r.note(PhaseSettled)
}
