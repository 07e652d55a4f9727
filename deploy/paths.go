package deploy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
)

// ErrDivided: some links would stay on a path that others leave, and that cannot
// be helped. OPcache would go on to serve it under the names of those that left.
var ErrDivided = errors.New("links would stay on a path that others leave")

// goal is where one instance is, and where it shall be after the switch.
type goal struct {
	instance apps.Instance
	state    links.State
	now      moves.Target
	to       moves.Destination
	chosen   bool // the run is about it; else it stays where it is, or moves along
}

func (g goal) leaves() bool { return g.now.Exists() && g.to.Real != g.state.Real }

// moves tells whether there is anything to do.
func (g goal) moves() bool { return g.to.Real != g.now.Real }

// goals are those of the chosen instances.
func (r *run) goals(states []links.State, to []moves.Destination) []goal {
	goals := make([]goal, len(states))
	for i, state := range states {
		goals[i] = goal{r.Instances[i], state, moves.TargetOf(state, r.App.RealReleases()), to[i], true}
	}
	return goals
}

func (c coming) instances() []apps.Instance {
	all := make([]apps.Instance, len(c.goals))
	for i, g := range c.goals {
		all[i] = g.instance
	}
	return all
}

// chosen are the places that the chosen instances go to.
func (c coming) chosen() []moves.Destination {
	var to []moves.Destination
	for _, g := range c.goals {
		if g.chosen {
			to = append(to, g.to)
		}
	}
	return to
}

// apart sees to it that nobody stays on a path that somebody leaves, and that
// nobody goes back to one that was left. OPcache keeps the literal paths through
// the links as keys, which cannot be listed, and which live again as soon as
// anybody compiles the old script: the old path has to die as a whole. So who is
// to stay on such a release, or to go there, gets it under a new path: a repeat.
// Where literal paths are not looked at, paths are just paths. What it returns are
// the goals of the chosen instances, and of those that have to move along.
func (r *run) apart(found server, to coming, repeat func(of string) (moves.Destination, error)) ([]goal, error) {
	if r.Reset == journal.ResetNever || found.addressing.Reuses() {
		return to.goals, nil
	}
	goals := slices.Concat(to.goals, r.staying())
	p := newPaths(goals, r.App.InUse(), newContents(r.store))
	if err := r.refuseStrangers(p); err != nil {
		return to.goals, err
	}
	repeats := map[string]moves.Destination{}
	for i, g := range goals {
		if !p.spent(g.to.Release) || slices.Contains(to.made, g.to.Release) {
			continue
		}
		if filepath.IsAbs(g.to.Release) {
			if err := r.mayUseFolder(g, goals, p); err != nil {
				return to.goals, err
			}
			continue
		}
		if _, done := repeats[g.to.Release]; !done {
			other, err := r.elsewhere(g.to.Release, p, repeat)
			if err != nil {
				return to.goals, err
			}
			repeats[g.to.Release] = other
		}
		goals[i].to = repeats[g.to.Release]
	}
	return slices.DeleteFunc(goals, func(g goal) bool { return !g.chosen && !g.leaves() }), nil
}

// staying are the instances that have a link and are not chosen.
func (r *run) staying() []goal {
	var goals []goal
	for _, instance := range r.App.Instances {
		if slices.ContainsFunc(r.Instances, func(i apps.Instance) bool { return i.Name == instance.Name }) {
			continue
		}
		state := links.Read(instance.Link)
		if now := moves.TargetOf(state, r.App.RealReleases()); now.Exists() {
			goals = append(goals, goal{instance, state, now, moves.Destination{Release: now.Release, Path: now.Literal, Real: now.Real}, false})
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

func newPaths(goals []goal, live links.InUse, content contents) paths {
	p := paths{live: live, content: content, named: map[string]bool{}, leaving: map[string]bool{}, used: live.IDs()}
	for _, g := range goals {
		p.named[g.state.Place()] = true
		if g.leaves() {
			p.leaving[g.now.Release] = true
		}
	}
	return p
}

// spent is a path that somebody leaves, or that all have left.
func (p paths) spent(release string) bool { return p.leaving[release] || !p.used[release] }

// elsewhere is a release with the content of this one under a path that is not
// spent: one that is live already, or a new one.
func (r *run) elsewhere(id string, p paths, repeat func(of string) (moves.Destination, error)) (moves.Destination, error) {
	content := p.content.of(id)
	for other := range p.used {
		if !p.spent(other) && other != "" && !filepath.IsAbs(other) && p.content.of(other) == content {
			return r.App.Destination(other), nil
		}
	}
	to, err := repeat(id)
	if errors.Is(err, release.ErrForeign) && p.leaving[id] {
		err = hint.With(fmt.Errorf("%w: %w", ErrDivided, err), wayOut)
	}
	return to, err
}

const wayOut = "deploy to all instances; or set opcache.revalidate_path=1 for the pool, which makes it not matter"

// refuseStrangers: a link that is no instance is not relink's to move. If the web
// server serves it, its visitors keep the old path alive.
func (r *run) refuseStrangers(p paths) error {
	var strangers []string
	for place, real := range p.live.Links {
		if !p.named[place] && p.leaving[links.Release(real, p.live.Releases)] {
			strangers = append(strangers, place)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	slices.Sort(strangers)
	text := fmt.Sprintf("%s would stay on a release that instances leave, and is none of them", ui.FirstFew(strangers))
	if r.Force {
		r.report.Warn(text + ": if it is served, OPcache goes on to serve that release under the names of those that left")
		return nil
	}
	return hint.With(fmt.Errorf("%w: %s", ErrDivided, text),
		"name it under `instances`, or remove it; or set opcache.revalidate_path=1 for the pool, which makes it not matter; --force goes on, if no web server serves it")
}

// mayUseFolder is asked for a folder that is no release: its path cannot be made new.
func (r *run) mayUseFolder(g goal, goals []goal, p paths) error {
	if !p.leaving[g.to.Release] {
		history, err := journal.History(r.App.HistoryFile())
		if err != nil {
			return err
		}
		return r.mayReturn(g.to, goals, history)
	}
	return hint.With(fmt.Errorf("%w: %s is no release, so that it cannot be repeated for %s, which would stay there", ErrDivided, g.to.Release, g.instance.Name),
		wayOut)
}
