package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/ui"
)

// separate is the step in which the rule of paths is kept (apart).
func (r *run) separate(ctx context.Context) (string, error) {
	chosen := len(r.Instances)
	if err := r.apart(func(of string) (Destination, error) { return r.repeatOne(ctx, of) }); err != nil {
		return "", err
	}
	r.goesTo(commonest(r.to[:chosen]))
	return r.separated(), nil
}

// separated tells, for the line of the step, who moves along and what was made.
func (r *run) separated() string {
	var parts []string
	if n := len(r.staying); n > 0 {
		parts = append(parts, ui.Plural(n, "other instance")+" to the same release under a new path")
	}
	return strings.Join(append(parts, r.journal.Repeats...), ", ")
}

// goesTo names the release that the run is about.
func (r *run) goesTo(id string) {
	if r.release.ID == id {
		return
	}
	r.report.Release = id
	r.release = release.Release{Manifest: release.Manifest{ID: id}, Path: r.App.releaseDir(id)}
}

func (r *run) repeatOne(ctx context.Context, of string) (Destination, error) {
	id := r.store.NewID(r.began, r.labelOf(of))
	r.journal.Repeats, r.journal.Unsettled = append(r.journal.Repeats, id), r.unsettled
	if err := r.note(PhaseStaging); err != nil {
		return Destination{}, err
	}
	sealed, err := r.store.Repeat(ctx, of, id)
	if err != nil {
		return Destination{}, err
	}
	r.made = append(r.made, sealed.ID)
	return r.App.destination(sealed.ID), nil
}

// labelOf names a repeat by the ref that it was made of.
func (r *run) labelOf(of string) string {
	original, err := r.store.Get(of)
	if err != nil {
		return of
	}
	return cmp.Or(original.Ref, of)
}

// mayReturn allows a way back to a folder that is no release, and whose path
// cannot be made new, only if every instance that was on it takes it: of the
// others, OPcache may hold keys that would lead there too.
func (r *run) mayReturn(to Destination, history []Event) error {
	returns := map[string]bool{}
	for i, one := range r.to {
		returns[r.Instances[i].Name] = one == to
	}
	var staying []string
	for _, instance := range r.App.Instances {
		if !returns[instance.Name] && wasOn(history, instance.Name, to.Release) {
			staying = append(staying, instance.Name)
		}
	}
	if len(staying) == 0 || r.Reset == ResetNever {
		return nil
	}
	return hint.With(fmt.Errorf("%s is not a release, and not all instances that were on it would go back: %s", to.Release, shortened(staying)),
		"roll these back too, or deploy that folder as a release ({dir: ...} as the source)")
}

func wasOn(history []Event, instance, release string) bool {
	for _, event := range history {
		for _, move := range event.Moves {
			if move.Instance == instance && (move.From.Release == release || move.To.Release == release) {
				return true
			}
		}
	}
	return false
}

// original names the content of a release: the one that it repeats, or itself.
func (r *run) original(id string) string {
	content, known := r.contents[id]
	if !known {
		content = id
		if one, err := r.store.Get(id); err == nil {
			content = one.Content()
		}
		r.contents[id] = content
	}
	return content
}

// nameContent notes what a target repeats: the history is read when it is gone.
func (r *run) nameContent(t *Target) {
	if content := r.original(t.Release); content != t.Release {
		t.Content = content
	}
}

// present is the release itself, or one that repeats it where it has been pruned.
func (r *run) present(id string) (string, error) {
	if _, err := r.store.Get(id); !errors.Is(err, release.ErrNotFound) {
		return id, nil
	}
	releases, err := r.store.List()
	for _, one := range releases {
		if one.Sealed && one.Content() == id {
			return one.ID, err
		}
	}
	return id, err
}
