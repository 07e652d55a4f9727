// Package paths chooses where the links of an application go: nobody stays on a path
// that somebody has left, and nobody goes back to one.
package paths

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrDivided: some links would stay on a path that others leave, and that cannot
// be helped. OPcache would go on to serve it under the names of those that left.
var ErrDivided = errors.New("links would stay on a path that others leave")

// Planner chooses where instances go.
type Planner struct {
	App     apps.App
	Began   time.Time         // the run, for the ids of what it makes
	Chosen  []config.Instance // those that the run is about
	Store   *release.Store
	Reset   journal.Reset
	Rebuild bool // make a release of its own also where one of the same commit is live
	Force   bool // warn of what would be refused
	Warn    func(string)
}

// Apart sees to it that nobody stays on a path that somebody leaves, and that
// nobody goes back to one that was left. OPcache keeps the literal paths through
// the links as keys, which cannot be listed, and which live again as soon as
// anybody compiles the old script: the old path has to die as a whole. So who is
// to stay on such a release, or to go there, gets it under a new path: a repeat.
// Where literal paths are not looked at, paths are just paths. What it returns are
// the goals of the chosen instances, and of those that have to move along.
func (p Planner) Apart(addressing opcache.Addressing, chosen []moves.Goal, made []string, repeat func(of string) (moves.Target, error)) ([]moves.Goal, error) {
	if p.Reset == journal.ResetNever || addressing.Reuses() {
		return p.broughtBack(chosen, repeat)
	}
	goals := slices.Concat(chosen, p.staying())
	u := newPaths(goals, p.App.InUse(), NewContents(p.Store))
	if err := p.refuseStrangers(u); err != nil {
		return chosen, err
	}
	repeats := map[string]moves.Target{}
	for i, g := range goals {
		if !u.spent(g.To.Release) || slices.Contains(made, g.To.Release) {
			continue
		}
		if filepath.IsAbs(g.To.Release) {
			if err := p.mayUseFolder(g, goals, u); err != nil {
				return chosen, err
			}
			continue
		}
		if _, done := repeats[g.To.Release]; !done {
			other, err := p.elsewhere(g.To.Release, u, repeat)
			if err != nil {
				return chosen, err
			}
			repeats[g.To.Release] = other
		}
		goals[i].To = repeats[g.To.Release]
	}
	return slices.DeleteFunc(goals, func(g moves.Goal) bool { return !g.Chosen && !g.Leaves() }), nil
}

// NewID names a release that is to be made. No link has ever led to one of that name, as
// far as the history reaches back: not to one either that was made in the same second and
// has been removed since.
func (p Planner) NewID(label string) (string, error) {
	past, err := journal.ReadPast(p.App.HistoryFile())
	return p.Store.NewID(p.Began, label, past.Names), err
}

// broughtBack repeats the releases that were put away.
func (p Planner) broughtBack(goals []moves.Goal, repeat func(of string) (moves.Target, error)) ([]moves.Goal, error) {
	goals, repeats := slices.Clone(goals), map[string]moves.Target{} // of what is where it was there is none
	for i, g := range goals {
		to, known := repeats[g.To.Release]
		if !known {
			if one, err := p.Store.Get(g.To.Release); err == nil && one.Away {
				if to, err = repeat(g.To.Release); err != nil {
					return goals, err
				}
			}
			repeats[g.To.Release] = to
		}
		if to.Exists() {
			goals[i].To = to
		}
	}
	return goals, nil
}

// staying are the instances that have a link and are not chosen.
func (p Planner) staying() []moves.Goal {
	chosen := map[string]bool{}
	for _, instance := range p.Chosen {
		chosen[instance.Name] = true
	}
	others := slices.DeleteFunc(slices.Clone(p.App.Instances), func(i config.Instance) bool { return chosen[i.Name] })
	states := apps.ReadLinks(others)
	var goals []moves.Goal
	for i, now := range moves.TargetsOf(states, p.App.RealReleases()) {
		if now.Exists() {
			goals = append(goals, moves.Goal{Instance: others[i], State: states[i], Now: now, To: now})
		}
	}
	return goals
}

// paths tells which releases' paths can be used after a switch.
type paths struct {
	live    links.InUse
	content contents
	named   map[string]bool // places of the instances
	leaving map[string]bool // releases that an instance leaves
	used    map[string]bool // those that a link leads to now
}

func newPaths(goals []moves.Goal, live links.InUse, content contents) paths {
	u := paths{live: live, content: content, named: map[string]bool{}, leaving: map[string]bool{}, used: live.IDs()}
	for _, g := range goals {
		u.named[g.State.Place()] = true
		if g.Leaves() {
			u.leaving[g.Now.Release] = true
		}
	}
	return u
}

// spent is a path that somebody leaves, or that all have left.
func (u paths) spent(release string) bool { return u.leaving[release] || !u.used[release] }

// elsewhere is a release with the content of this one under a path that is not
// spent: one that is live already, or a new one.
func (p Planner) elsewhere(id string, u paths, repeat func(of string) (moves.Target, error)) (moves.Target, error) {
	content := u.content.of(id)
	for other := range u.used {
		if !u.spent(other) && other != "" && !filepath.IsAbs(other) && u.content.of(other) == content {
			return p.App.Destination(other), nil
		}
	}
	to, err := repeat(id)
	if errors.Is(err, release.ErrForeign) && u.leaving[id] {
		err = hint.With(fmt.Errorf("%w: %w", ErrDivided, err), wayOut)
	}
	return to, err
}

const wayOut = "deploy to all instances; or set opcache.revalidate_path=1 for the pool, which makes it not matter"

// refuseStrangers: a link that is no instance is not relink's to move. If the web
// server serves it, its visitors keep the old path alive.
func (p Planner) refuseStrangers(u paths) error {
	var strangers []string
	for place, real := range u.live.Links {
		if !u.named[place] && u.leaving[links.Release(real, u.live.Releases)] {
			strangers = append(strangers, place)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	slices.Sort(strangers)
	text := fmt.Sprintf("%s would stay on a release that instances leave, and is none of them", ui.FirstFew(strangers))
	if p.Force {
		p.Warn(text + ": if it is served, OPcache goes on to serve that release under the names of those that left")
		return nil
	}
	return hint.With(fmt.Errorf("%w: %s", ErrDivided, text),
		"name it under `instances`, or remove it; or set opcache.revalidate_path=1 for the pool, which makes it not matter; --force goes on, if no web server serves it")
}

// mayUseFolder is asked for a folder that is no release: its path cannot be made new.
func (p Planner) mayUseFolder(g moves.Goal, goals []moves.Goal, u paths) error {
	if !u.leaving[g.To.Release] {
		history, err := journal.ReadPast(p.App.HistoryFile())
		if err != nil {
			return err
		}
		return p.mayReturn(g.To, goals, history)
	}
	return hint.With(fmt.Errorf("%w: %s is no release, so that it cannot be repeated for %s, which would stay there", ErrDivided, g.To.Release, g.Instance.Name),
		wayOut)
}

// mayReturn allows a way back to a folder that is no release, and whose path
// cannot be made new, only if every instance that was on it takes it: of the
// others, OPcache may hold keys that would lead there too.
func (p Planner) mayReturn(to moves.Target, goals []moves.Goal, history *journal.Past) error {
	returns := map[string]bool{}
	for _, g := range goals {
		returns[g.Instance.Name] = g.Chosen && g.To == to
	}
	var staying []string
	for _, instance := range p.App.Instances {
		if !returns[instance.Name] && history.WasOn(instance.Name, to.Release) {
			staying = append(staying, instance.Name)
		}
	}
	if len(staying) == 0 || p.Reset == journal.ResetNever {
		return nil
	}
	return hint.With(fmt.Errorf("%s is not a release, and not all instances that were on it would go back: %s", to.Release, ui.FirstFew(staying)),
		"roll these back too, or deploy that folder as a release ({dir: ...} as the source)")
}
