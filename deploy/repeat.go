package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/ui"
)

// separate is the step in which the rule of paths is kept (apart).
func (r *run) separate(found server, to coming) step[coming] {
	return func(ctx context.Context) (coming, string, error) {
		goals, err := r.apart(found, to, func(of string) (moves.Destination, error) { return r.repeatOne(ctx, of) })
		if err != nil {
			return to, "", err
		}
		to.goals = goals
		return r.goingTo(to), r.separated(to), nil
	}
}

// separated tells, for the line of the step, who moves along and what was made.
func (r *run) separated(to coming) string {
	var along string
	if n := len(to.goals) - len(to.chosen()); n > 0 {
		along = ui.Plural(n, "other instance") + " to the same release under a new path"
	}
	return joinedBy(", ", along, strings.Join(r.journal.Repeats, ", "))
}

// goingTo names the release that the run is about: the one that most go to.
func (r *run) goingTo(to coming) coming {
	if id := commonest(to.chosen()); id != to.release.ID {
		r.report.Release = id
		to.release = release.Release{Manifest: release.Manifest{ID: id, Commit: to.release.Commit}, Path: r.App.ReleaseDir(id)}
	}
	return to
}

// repeatOne seals a repeat under a name that is in the journal before it is there.
func (r *run) repeatOne(ctx context.Context, of string) (moves.Destination, error) {
	id := r.store.NewID(r.began, r.labelOf(of))
	r.journal.Repeats = append(r.journal.Repeats, id)
	err := r.note(journal.PhaseStaging)
	if err == nil {
		_, err = r.store.Repeat(ctx, of, id)
	}
	if err != nil { // it is not there
		r.journal.Repeats = slices.DeleteFunc(r.journal.Repeats, func(one string) bool { return one == id })
		return moves.Destination{}, err
	}
	return r.App.Destination(id), nil
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
func (r *run) mayReturn(to moves.Destination, goals []goal, history []journal.Event) error {
	returns := map[string]bool{}
	for _, g := range goals {
		returns[g.instance.Name] = g.chosen && g.to == to
	}
	var staying []string
	for _, instance := range r.App.Instances {
		if !returns[instance.Name] && wasOn(history, instance.Name, to.Release) {
			staying = append(staying, instance.Name)
		}
	}
	if len(staying) == 0 || r.Reset == journal.ResetNever {
		return nil
	}
	return hint.With(fmt.Errorf("%s is not a release, and not all instances that were on it would go back: %s", to.Release, ui.FirstFew(staying)),
		"roll these back too, or deploy that folder as a release ({dir: ...} as the source)")
}

func wasOn(history []journal.Event, instance, release string) bool {
	for _, event := range history {
		for _, move := range event.Moves {
			if move.Instance == instance && (move.From.Release == release || move.To.Release == release) {
				return true
			}
		}
	}
	return false
}

// contents names what releases hold, and reads each manifest once.
type contents struct {
	store *release.Store
	known map[string]string
}

func newContents(store *release.Store) contents { return contents{store, map[string]string{}} }

// of names the content of a release: the one that it repeats, or itself.
func (c contents) of(id string) string {
	content, known := c.known[id]
	if !known {
		content = id
		if one, err := c.store.Get(id); err == nil {
			content = one.Content()
		}
		c.known[id] = content
	}
	return content
}

// complete notes what a target repeats: the history is read when it is gone.
func (c contents) complete(t *moves.Target) {
	if content := c.of(t.Release); content != t.Release {
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
