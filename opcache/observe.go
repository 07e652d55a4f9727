package opcache

import (
	"context"
	"slices"

	"relink/php"
)

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

// liveScripts lists the live scripts below a folder.
func (c *Caches) liveScripts(ctx context.Context, one *KeySpace, release string) ([]php.Script, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.CallTimeout)
	defer cancel()
	scripts, err := one.Agent().Scripts(ctx, []string{one.ToPool(release)})
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
