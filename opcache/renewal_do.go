package opcache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/hint"
	"relink/php"
)

// renewing is one FPM master that may have to follow with new processes.
type renewing struct {
	memory        *memory
	master        php.Master // the zero Master where this machine does not show it
	configuration php.Configuration
	preloaded     []string // scripts, as this machine sees them
	next          string   // preload script after the switch, where that is of a release
	passed        []string // places of the sites' links that opcache.preload leads through
}

// Renewals tells what the switch does to each FPM master that neither the sweep
// nor an invalidation undoes. sites are all that the caches serve, each with where
// it leads now and then. That a reload would end the master is an error: it is
// asked before anything moves.
func (s *Switch) Renewals(ctx context.Context, sites []Link) ([]Renewal, error) {
	ctx, cancel := context.WithTimeout(ctx, s.caches.options.CallTimeout+php.DefaultReloadLimit)
	defer cancel()
	moved := map[string]string{}
	for _, l := range sites {
		moved[canonicalPlace(l.Path)] = l.To
	}
	var all []*renewing
	for _, m := range s.caches.memories() {
		one, err := newRenewing(ctx, m, moved)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	var renewals []Renewal
	s.emptied = nil
	for i, one := range all {
		needs, err := one.needs(ctx, s.caches.options.Docroot, sites, servedBy(all, i, sites))
		if err != nil {
			return nil, err
		}
		renewal, err := one.decide(ctx, needs)
		if err != nil {
			return nil, fmt.Errorf("FPM master of %s: %w", one.memory.name(), err)
		}
		if renewal.Action == ReloadFPM {
			s.emptied = append(s.emptied, renewal.Pools...)
		}
		if renewal.Action != None {
			renewals = append(renewals, renewal)
		}
	}
	return renewals, nil
}

func newRenewing(ctx context.Context, m *memory, moved map[string]string) (*renewing, error) {
	one := &renewing{memory: m}
	first := m.caches[0]
	var err error
	if one.configuration, err = first.agent().Configuration(ctx); err != nil {
		return nil, err
	}
	if one.configuration.Preload == "" {
		return one, nil
	}
	if one.master, err = m.find(ctx); err != nil {
		return nil, err
	}
	_, one.passed = follow(one.file(), moved)
	paths, err := first.agent().Preloaded(ctx)
	for _, path := range paths {
		one.preloaded = append(one.preloaded, first.toHost(path))
	}
	return one, err
}

// file is opcache.preload as this machine sees it: the master reads it, who may
// be in another root than its pools.
func (r *renewing) file() string {
	if r.master.PID == 0 {
		return r.memory.caches[0].toHost(r.configuration.Preload)
	}
	return r.master.PreloadFile(r.configuration.Preload)
}

// servedBy leaves out the sites for which another master preloads: whoever has a
// master for each site has them for that.
func servedBy(all []*renewing, i int, sites []Link) []Link {
	return slices.DeleteFunc(slices.Clone(sites), func(l Link) bool {
		place := canonicalPlace(l.Path)
		return !slices.Contains(all[i].passed, place) && slices.ContainsFunc(all, func(other *renewing) bool { return slices.Contains(other.passed, place) })
	})
}

func (r *renewing) needs(ctx context.Context, docroot string, all, served []Link) (Needs, error) {
	n := Needs{Preload: r.preloading(all, served)}
	c := r.configuration
	if c.UserINI == "" || c.UserINITTL <= 0 || c.Worker.SAPI != "fpm-fcgi" {
		return n, nil
	}
	compared := map[[2]string]bool{}
	for _, l := range all {
		pair := [2]string{filepath.Join(l.From, docroot), filepath.Join(l.To, docroot)}
		if !l.moves() || compared[pair] {
			continue
		}
		compared[pair] = true
		changed, err := changedUserINI(ctx, pair[0], pair[1], c.UserINI)
		if err != nil {
			return n, err
		}
		n.UserINI = append(n.UserINI, changed...)
	}
	slices.Sort(n.UserINI)
	n.UserINI = slices.Compact(n.UserINI)
	if len(n.UserINI) > 0 {
		n.MayEnd = r.memory.mayEnd(ctx)
	}
	return n, nil
}

// preloading finds out which release is preloaded before and after the switch.
func (r *renewing) preloading(all, served []Link) Preloading {
	p := Preloading{File: r.configuration.Preload}
	if p.File == "" {
		return p
	}
	moved := map[string]string{}
	for _, l := range all {
		moved[canonicalPlace(l.Path)] = l.To
		if slices.Contains(r.passed, canonicalPlace(l.Path)) && (p.Through == "" || l.moves()) {
			p.Through = l.Name
		}
	}
	for _, l := range served {
		p.Sites = append(p.Sites, Preloads{Name: l.Name, From: l.fromRelease(), To: l.toRelease()})
	}
	now, _ := follow(r.file(), nil)
	then, _ := follow(r.file(), moved)
	p.Now, p.Then = releaseWith(now, p.Sites), releaseWith(then, p.Sites)
	switch {
	case p.Then != "":
		r.next = then
	case p.Now == "":
		p.Now, p.Then = r.loads(p.Sites)
	}
	return p
}

// loads judges a preload script that is of no release by what it has loaded: it
// finds that through a link, but nobody knows through which.
func (r *renewing) loads(sites []Preloads) (now, then string) {
	for _, script := range r.preloaded {
		if now = releaseWith(script, sites); now != "" {
			break
		}
	}
	for _, s := range sites {
		switch {
		case s.From != now || now == "":
		case then == "":
			then = s.To
		case then != s.To: // it will be one of them; whichever, the others are on another
			return now, now
		}
	}
	return now, then
}

// releaseWith is the release that holds a path, or "".
func releaseWith(path string, sites []Preloads) string {
	for _, s := range sites {
		for _, folder := range []string{s.From, s.To} {
			if folder != "" && isWithin(path, folder) {
				return folder
			}
		}
	}
	return ""
}

// decide decides, and tries what a reload would preload.
func (r *renewing) decide(ctx context.Context, n Needs) (Renewal, error) {
	renewal := Renewal{Pools: r.memory.addresses()}
	var err error
	if renewal.Decision, err = n.Decide(); err != nil || !n.Preload.changes() {
		return renewal, err
	}
	err = r.try(ctx, n.Preload)
	if errors.Is(err, php.ErrUntried) {
		renewal.Notes, err = append(renewal.Notes, err.Error()), nil
	}
	return renewal, hint.With(err, "to do it by hand, move the links alone with --reset never, and restart PHP-FPM right after that; or take opcache.preload out")
}

// try has what will be preloaded loaded, where that is known: a master that
// cannot preload ends at its reload, with all its sites.
func (r *renewing) try(ctx context.Context, p Preloading) error {
	if r.next == "" {
		return r.tryLoaded(p)
	}
	if info, err := os.Stat(r.next); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s leads to %s, which the new release does not have", php.ErrPreload, p.File, r.next)
	}
	return r.master.TryPreload(ctx, r.next, r.configuration.PreloadUser, r.configuration.INI)
}

// tryLoaded looks for the like of each preloaded script: what a script of no
// release loads through a link cannot be tried before the link has moved.
func (r *renewing) tryLoaded(p Preloading) error {
	for _, script := range r.preloaded {
		below, within := strings.CutPrefix(script, p.Now+"/")
		if !within {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.Then, below)); err != nil {
			return fmt.Errorf("%w: %s has loaded %s, which the new release does not have", php.ErrPreload, p.File, below)
		}
	}
	return fmt.Errorf("%w: %s is of no release", php.ErrUntried, p.File)
}
