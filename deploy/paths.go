package deploy

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"relink/deploy/release"
	"relink/internal/hint"
	"relink/internal/links"
)

// ErrDivided: some links would stay on a path that others leave, and that cannot
// be helped. OPcache would go on to serve it under the names of those that left.
var ErrDivided = errors.New("links would stay on a path that others leave")

// goal is where one instance is, and where it shall be after the switch.
type goal struct {
	instance Instance
	state    links.State
	now      string // release, or the folder that is none; "" without a link
	to       Destination
	chosen   bool // the run is about it; else it stays where it is
}

func (g goal) leaves() bool { return g.now != "" && g.to.Real != g.state.Real }

// apart sees to it that nobody stays on a path that somebody leaves, and that
// nobody goes back to one that was left. OPcache keeps the literal paths through
// the links as keys, which cannot be listed, and which live again as soon as
// anybody compiles the old script: the old path has to die as a whole. So who is
// to stay on such a release, or to go there, gets it under a new path: a repeat.
// Where literal paths are not looked at, paths are just paths.
func (r *run) apart(repeat func(of string) (Destination, error)) error {
	if r.Reset == ResetNever || r.addressing.Reuses() {
		return nil
	}
	goals, err := r.goals()
	if err != nil {
		return err
	}
	live, err := r.App.InUse()
	if err != nil {
		return err
	}
	paths := newPaths(goals, live)
	if err := r.refuseStrangers(paths); err != nil {
		return err
	}
	repeats := map[string]Destination{}
	for i, g := range goals {
		if !paths.spent(g.to.Release) || slices.Contains(r.made, g.to.Release) {
			continue
		}
		if filepath.IsAbs(g.to.Release) {
			if err := r.mayUseFolder(g, paths); err != nil {
				return err
			}
			continue
		}
		if _, done := repeats[g.to.Release]; !done {
			if repeats[g.to.Release], err = r.elsewhere(g.to.Release, paths, repeat); err != nil {
				return err
			}
		}
		goals[i].to = repeats[g.to.Release]
	}
	r.adopt(goals)
	return nil
}

// goals lists the chosen instances, and then those that have a link and stay.
func (r *run) goals() ([]goal, error) {
	var goals []goal
	chosen := map[string]bool{}
	for i, instance := range r.Instances {
		chosen[instance.Name] = true
		goals = append(goals, goal{instance, r.states[i], targetOf(r.states[i], r.App.realReleases()).Release, r.to[i], true})
	}
	for _, instance := range r.App.Instances {
		if chosen[instance.Name] {
			continue
		}
		state, err := links.Read(instance.Link)
		if err != nil {
			return nil, fmt.Errorf("instance %s: %w", instance.Name, err)
		}
		if now := targetOf(state, r.App.realReleases()); now.Exists() {
			goals = append(goals, goal{instance, state, now.Release, Destination{Release: now.Release, Path: now.Literal, Real: now.Real}, false})
		}
	}
	return goals, nil
}

// paths tells which releases' paths can be used after a switch.
type paths struct {
	live    links.InUse
	named   map[string]bool // places of the instances
	leaving map[string]bool // releases that an instance leaves
	used    map[string]bool // those that a link leads to now
}

func newPaths(goals []goal, live links.InUse) paths {
	p := paths{live: live, named: map[string]bool{}, leaving: map[string]bool{}, used: live.IDs()}
	for _, g := range goals {
		p.named[g.state.Place()] = true
		if g.leaves() {
			p.leaving[g.now] = true
		}
	}
	return p
}

// spent is a path that somebody leaves, or that all have left.
func (p paths) spent(release string) bool { return p.leaving[release] || !p.used[release] }

// elsewhere is a release with the content of this one under a path that is not
// spent: one that is live already, or a new one.
func (r *run) elsewhere(id string, p paths, repeat func(of string) (Destination, error)) (Destination, error) {
	content := r.original(id)
	for other := range p.used {
		if !p.spent(other) && other != "" && !filepath.IsAbs(other) && r.original(other) == content {
			return r.App.destination(other), nil
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
	text := fmt.Sprintf("%s would stay on a release that instances leave, and is none of them", shortened(strangers))
	if r.Force {
		r.report.warn(text + ": if it is served, OPcache goes on to serve that release under the names of those that left")
		return nil
	}
	return hint.With(fmt.Errorf("%w: %s", ErrDivided, text),
		"name it under `instances`, or remove it; or set opcache.revalidate_path=1 for the pool, which makes it not matter; --force goes on, if no web server serves it")
}

// mayUseFolder is asked for a folder that is no release: its path cannot be made new.
func (r *run) mayUseFolder(g goal, p paths) error {
	if !p.leaving[g.to.Release] {
		history, err := readHistory(r.App.historyFile())
		if err != nil {
			return err
		}
		return r.mayReturn(g.to, history)
	}
	return hint.With(fmt.Errorf("%w: %s is no release, so that it cannot be repeated for %s, which would stay there", ErrDivided, g.to.Release, g.instance.Name),
		wayOut)
}

// adopt takes what the goals have come to: the chosen ones go where they go, and
// those that get another path for what they are on move along.
func (r *run) adopt(goals []goal) {
	for i, g := range goals {
		switch {
		case g.chosen:
			r.to[i] = g.to
		case g.leaves():
			r.Instances, r.states, r.to = append(r.Instances, g.instance), append(r.states, g.state), append(r.to, g.to)
			r.staying[g.instance.Name] = true
		}
	}
}
