package paths

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/deploy/source"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
)

// FindTargets sends all to the release of this id, or each to the one before.
func (p Planner) FindTargets(states []links.State, id string) ([]moves.Goal, error) {
	if id != "" {
		return p.Everywhere(states, id), p.mayServe(p.App.Destination(id))
	}
	history, err := journal.ReadPast(p.App.HistoryFile())
	if err != nil {
		return nil, err
	}
	to := make([]moves.Target, len(states))
	var failed []error
	checked := map[moves.Target]bool{}
	for i, instance := range p.Chosen {
		if to[i], err = p.targetBefore(history, instance, states[i]); err == nil && !checked[to[i]] {
			checked[to[i]] = true
			err = p.mayServe(to[i])
		}
		failed = append(failed, err)
	}
	return p.goals(states, to), errors.Join(failed...)
}

func (p Planner) targetBefore(history *journal.Past, instance config.Instance, state links.State) (moves.Target, error) {
	current := moves.TargetOf(state, p.App.RealReleases())
	NewContents(p.Store).Complete(&current)
	target, found := history.Before(instance.Name, current)
	if !found {
		return moves.Target{}, hint.With(fmt.Errorf("instance %s: nothing is known of before %s", instance.Name, OrNone(current.Release)),
			`choose a release from "relink releases" and name it with --to`)
	}
	if !filepath.IsAbs(target.Release) {
		id, err := p.present(target.Served())
		if err == nil && id == "" {
			err = hint.With(fmt.Errorf("instance %s was on %s before, which has been removed", instance.Name, target.Served()),
				`choose a release from "relink releases" and name it with --to (keep: %d is how many of those stay that no site is on)`, p.App.Keep)
		}
		return p.App.Destination(id), err
	}
	return moves.Target{Release: target.Release, Literal: target.Real, Real: target.Real}, nil
}

// mayServe refuses what is gone, and what has proven bad.
func (p Planner) mayServe(to moves.Target) error {
	known, err := p.Store.Get(to.Release)
	info, statErr := os.Stat(to.Real)
	switch {
	case known.Away: // it is brought back first
	case errors.Is(statErr, fs.ErrNotExist), statErr == nil && !info.IsDir():
		return hint.With(fmt.Errorf("release %s: %s does not exist", to.Release, to.Real),
			`choose a release from "relink releases" and name it with --to`)
	case statErr != nil:
		return fmt.Errorf("release %s: %w", to.Release, statErr)
	case filepath.IsAbs(to.Release):
		return nil
	}
	if err != nil {
		return err
	}
	if known.Bad != nil && !p.Force {
		return hint.With(fmt.Errorf("release %s: %w: %s", to.Release, ErrBadRelease, known.Bad.Reason),
			"name another release with --to, or take this one with --force")
	}
	return nil
}

func OrNone(release string) string { return cmp.Or(release, "its first deploy") }

// ErrBadRelease: the release was marked bad when it failed.
var ErrBadRelease = errors.New("marked bad")

// present is the release itself, or one that repeats it where it has been pruned; "" for none.
func (p Planner) present(id string) (string, error) {
	if _, err := p.Store.Get(id); !errors.Is(err, release.ErrNotFound) {
		return id, nil
	}
	releases, err := p.Store.List()
	for _, one := range releases {
		if one.Sealed && one.Content() == id {
			return one.ID, err
		}
	}
	return "", err
}

// Everywhere sends every chosen instance to the same release.
func (p Planner) Everywhere(states []links.State, id string) []moves.Goal {
	return p.goals(states, slices.Repeat([]moves.Target{p.App.Destination(id)}, len(states)))
}

// goals are those of the chosen instances.
func (p Planner) goals(states []links.State, to []moves.Target) []moves.Goal {
	goals, now := make([]moves.Goal, len(states)), moves.TargetsOf(states, p.App.RealReleases())
	for i, state := range states {
		goals[i] = moves.Goal{Instance: p.Chosen[i], State: state, Now: now[i], To: to[i], Chosen: true}
	}
	return goals
}

// Same finds a release of the very commit on which other instances are: the rest of
// them are to share it, and OPcache needs no second copy. Where all the chosen ones
// are on it already, somebody wants it built again.
func (p Planner) Same(states []links.State, resolved source.Resolved) (none release.Release, err error) {
	if p.Rebuild || resolved.Commit == "" {
		return none, nil
	}
	live, now := p.App.InUse().IDs(), moves.TargetsOf(states, p.App.RealReleases())
	releases, err := p.Store.List()
	for _, one := range releases {
		same := one.Sealed && one.Bad == nil && one.Commit == resolved.Commit && one.Source == resolved.Source
		elsewhere := func(t moves.Target) bool { return t.Release != one.ID }
		if same && live[one.ID] && slices.ContainsFunc(now, elsewhere) {
			return one, err
		}
	}
	return none, err
}

// WayBack is what a rollback leads each instance to once the plan is carried out,
// by content: however many releases others have tried meanwhile, one site's last
// good one is not the newest. With keep 0 nobody wants to go back.
func (p Planner) WayBack(history *journal.Past, plan moves.Plan) map[string]bool {
	wanted := map[string]bool{}
	if p.App.Keep == 0 {
		return wanted
	}
	known, moving := NewContents(p.Store), plan.ByInstance()
	targets := moves.TargetsOf(apps.ReadLinks(p.App.Instances), p.App.RealReleases())
	for i, instance := range p.App.Instances {
		now := targets[i]
		if move, moves := moving[instance.Name]; moves {
			now = move.To
		}
		known.Complete(&now)
		if target, found := history.Before(instance.Name, now); found {
			wanted[target.Served()] = true
		}
	}
	return wanted
}

// contents names what releases hold, and reads each manifest once.
type contents struct {
	store *release.Store
	known map[string]string
}

func NewContents(store *release.Store) contents { return contents{store, map[string]string{}} }

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

// Complete notes what a target repeats: the history is read when it is gone.
func (c contents) Complete(t *moves.Target) {
	if content := c.of(t.Release); content != t.Release {
		t.Content = content
	}
}
