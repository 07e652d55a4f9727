package deploy

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"

	"relink/internal/hint"
)

// repeat gives each release that nobody is on any more a path of its own, before
// links go back to it (release.Store.Repeat says why). One that other instances
// are on is shared as it is. One makes the repeat.
func (r *run) repeat(one func(of string) (Destination, error)) error {
	live, err := r.App.live()
	if err != nil {
		return err
	}
	history, err := readHistory(r.App.historyFile())
	if err != nil {
		return err
	}
	repeats := map[string]Destination{}
	for i, to := range r.to {
		if live.serves(r.App.releaseDir(to.Release)) {
			continue
		}
		if filepath.IsAbs(to.Release) {
			if err := r.mayReturn(to, history); err != nil {
				return err
			}
			continue
		}
		if _, done := repeats[to.Release]; !done {
			if repeats[to.Release], err = one(to.Release); err != nil {
				return err
			}
		}
		r.to[i] = repeats[to.Release]
	}
	return nil
}

func (r *run) repeatOne(ctx context.Context, of string) (Destination, error) {
	id := r.store.NewID(r.began, r.labelOf(of))
	r.journal.Release, r.journal.Made, r.journal.Unsettled = id, true, r.unsettled
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

// original is the release whose content this one repeats, or itself.
func (r *run) original(id string) string {
	for range historyMost { // a bound for manifests that name each other
		one, err := r.store.Get(id)
		if err != nil || one.Repeats == "" {
			break
		}
		id = one.Repeats
	}
	return id
}
