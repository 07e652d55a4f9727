// Package opcache makes every PHP worker see the new target of links that move,
// without a restart: it knows links with their old and new targets, and nothing
// of how links are moved.
package opcache

import (
	"cmp"
	"context"
	"slices"

	"relink/php"
)

// Link is one symbolic link whose target changes. From and To are real folders
// (no symlink in them) as the host sees them; From is "" when the link is new.
type Link struct {
	Name string // the instance
	Path string // where the link is
	From string
	To   string

	// FromRelease and ToRelease are the folders that hold From and To, where a
	// link leads into a release instead of to it. "" means From and To.
	FromRelease string
	ToRelease   string

	// Shared says that other links still lead to FromRelease, so that its memory is
	// not given back. Where literal paths are looked at (Keyed) they must not.
	Shared bool

	// OfOthers says that FromRelease holds releases of other applications: what is
	// cached below it is theirs.
	OfOthers bool
}

func (l Link) Moves() bool { return l.From != "" && l.From != l.To }

func (l Link) OldRelease() string { return cmp.Or(l.FromRelease, l.From) }
func (l Link) NewRelease() string { return cmp.Or(l.ToRelease, l.To) }

// Switch is the cache work for one set of links that move together. Its methods
// are called in the order Observe, Room, Warm, (the links move), Sweep,
// Invalidate, Settle, Retire.
type Switch struct {
	Caches     *Caches
	Links      []Link
	Addressing Addressing  // the weakest that serves one of the links
	pinned     []Worker    // out of reach, and not waited for
	Views      []*View     // one for each cache
	Full       []FullCache // caches that Warm leaves out
	Emptied    []string    // addresses of the pools whose cache starts empty with the switch
	settled    bool
	apcu       bool // it is to be cleared
	cleared    bool // and was, at the cut-over
	busy       bool // Sweep has left workers in a request
}

// FullCache is a cache that does not take the new release beside the old one.
type FullCache struct {
	Pools []string
	Why   string
}

// View is what one cache holds of the old targets.
type View struct {
	Space *KeySpace
	Hot   map[string][]php.Script // live scripts by old release, as the host sees it
}

// Observe notes what is live of the old targets before anything moves: the hot set.
func (c *Caches) Observe(ctx context.Context, links []Link, addressing Addressing) (*Switch, error) {
	s := &Switch{Caches: c, Links: links, Addressing: addressing}
	var err error
	s.Views, err = Each(ctx, c.Spaces(), s.view)
	return s, err
}

func (v *View) name() string { return v.Space.name() }

func (s *Switch) view(ctx context.Context, one *KeySpace) (*View, error) {
	v := &View{Space: one, Hot: map[string][]php.Script{}}
	for release := range s.OldReleases() {
		scripts, err := s.Caches.liveScripts(ctx, one, release)
		if err != nil {
			return nil, err
		}
		v.Hot[release] = scripts
	}
	return v, nil
}

// liveScripts lists the live scripts below folders; below none there are none.
func (c *Caches) liveScripts(ctx context.Context, one *KeySpace, folders ...string) ([]php.Script, error) {
	if len(folders) == 0 { // the agent would take it for all
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Options.Timeouts.Call)
	defer cancel()
	under := make([]string, len(folders))
	for i, folder := range folders {
		under[i] = one.ToPool(folder)
	}
	scripts, err := one.Agent().Scripts(ctx, under)
	return slices.DeleteFunc(scripts, func(sc php.Script) bool { return !sc.Live }), err
}

// OldReleases lists the releases that links move away from, and whether others
// still use them.
func (s *Switch) OldReleases() map[string]bool {
	releases := map[string]bool{}
	for _, l := range s.Links {
		if l.Moves() && !l.OfOthers {
			releases[l.OldRelease()] = releases[l.OldRelease()] || l.Shared
		}
	}
	return releases
}

// idle tells that there are links, and that none of them comes from anywhere: of
// new links no worker and no cache knows anything.
func (s *Switch) idle() bool { return len(s.Links) > 0 && !slices.ContainsFunc(s.Links, Link.Moves) }

// Addressing is how the web server names scripts to PHP, which decides what a
// cut-over has to do. They are ordered: what holds for a later one is enough for
// every earlier one.
type Addressing string

const (
	// Resolved: by real paths. Nothing in PHP leads through a link, so that the
	// cut-over is the rename of a link or of Apache's map.
	Resolved Addressing = "resolved"
	// Revalidated: through the links, with opcache.revalidate_path=1. Literal keys
	// are not looked at; the sweep of the realpath caches is the cut-over.
	Revalidated Addressing = "revalidated"
	// Keyed: through the links, with PHP's defaults. OPcache keeps the literal paths
	// as keys, which cannot be listed: a path that a link has left must die as a
	// whole, and nobody may stay on it.
	Keyed Addressing = "keyed"
)

// Weaker is the one of two that demands more of a cut-over. "" is not known yet.
func (a Addressing) Weaker(b Addressing) Addressing {
	rank := map[Addressing]int{Resolved: 1, Revalidated: 2, Keyed: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Reuses tells whether a path that a link has left may serve again.
func (a Addressing) Reuses() bool { return a == Resolved || a == Revalidated }

// Addressing is what the pools' settings tell of how scripts are named to them:
// Revalidated or Keyed. That it is Resolved only the web server can prove.
func (c *Caches) Addressing(ctx context.Context) (Addressing, error) {
	all, err := c.configurations(ctx)
	if err != nil || slices.ContainsFunc(all, func(one php.Configuration) bool { return !one.RevalidatePath }) {
		return Keyed, err
	}
	return Revalidated, nil
}
