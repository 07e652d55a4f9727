package restart

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/fpm"
)

// Preloading is what a master preloads, before the switch and after it.
type Preloading struct {
	File      string         // opcache.preload as configured; "": none
	Through   string         // the moving link that it leads through, by name; "" where only what it loads is of a release
	Now, Then string         // folder of the release that it leads into; "": none that the sites use
	Sites     []opcache.Link // the sites that this master serves
}

// changes tells whether what is preloaded has to do with this switch.
func (p Preloading) changes() bool {
	if p.File == "" || p.Now == "" && p.Then == "" {
		return false
	}
	return p.Now != p.Then || slices.ContainsFunc(p.Sites, func(l opcache.Link) bool { return l.OldRelease() != l.NewRelease() && l.NewRelease() != p.Then })
}

func (p Preloading) text() string {
	if p.Through != "" {
		return fmt.Sprintf("opcache.preload (%s) leads through %s's link", p.File, p.Through)
	}
	return fmt.Sprintf("opcache.preload (%s) loads files of the release that is left", p.File)
}

// conflict names the sites that would run with what is preloaded of another
// release: those that move elsewhere, and those that lose what they have now.
func (p Preloading) conflict() error {
	var lost []string
	for _, l := range p.Sites {
		if from, to := l.OldRelease(), l.NewRelease(); to != p.Then && (from != to || from == p.Now) {
			lost = append(lost, l.Name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	err := fmt.Errorf("%w: opcache.preload (%s) would be that of %s, and %s would be on another", ErrOnePreload, p.File, cmp.Or(p.Then, "no release"), ui.FirstFew(lost))
	return hint.With(err, "deploy to all instances that share the FPM master at once, with opcache.preload leading through the link of one of them; or take opcache.preload out; or give each release that is to be preloaded an FPM master of its own")
}

// preloading finds out which release is preloaded before and after the switch.
func (r *masterRenewal) preloading(moved map[string]string, sites, served []opcache.Link) Preloading {
	p := Preloading{File: r.configuration.Preload, Sites: served}
	if p.File == "" {
		return p
	}
	for _, l := range sites {
		if slices.Contains(r.passed, links.Place(l.Path)) && (p.Through == "" || l.Moves()) {
			p.Through = l.Name
		}
	}
	now, _ := links.Follow(r.file(), nil)
	then, _ := links.Follow(r.file(), moved)
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
func (r *masterRenewal) loads(sites []opcache.Link) (now, then string) {
	for _, script := range r.preloaded {
		if now = releaseWith(script, sites); now != "" {
			break
		}
	}
	for _, l := range sites {
		switch {
		case l.OldRelease() != now || now == "":
		case then == "":
			then = l.NewRelease()
		case then != l.NewRelease(): // it will be one of them; whichever, the others are on another
			return now, now
		}
	}
	return now, then
}

// releaseWith is the release that holds a path, or "".
func releaseWith(path string, sites []opcache.Link) string {
	for _, l := range sites {
		for _, folder := range []string{l.OldRelease(), l.NewRelease()} {
			if folder != "" && links.Within(path, folder) {
				return folder
			}
		}
	}
	return ""
}

// try has what will be preloaded loaded, where that is known: a master that
// cannot preload ends at its reload, with all its sites.
func (r *masterRenewal) try(ctx context.Context) error {
	if r.next == "" {
		return r.tryLoaded(r.preload)
	}
	if info, err := os.Stat(r.next); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s leads to %s, which the new release does not have", fpm.ErrPreload, r.preload.File, r.next)
	}
	return r.master.TryPreload(ctx, r.next, r.configuration.PreloadUser, r.configuration.INI)
}

// tryLoaded looks for the like of each preloaded script: what a script of no
// release loads through a link cannot be tried before the link has moved.
func (r *masterRenewal) tryLoaded(p Preloading) error {
	for _, script := range r.preloaded {
		below, within := strings.CutPrefix(script, p.Now+"/")
		if !within {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.Then, below)); err != nil {
			return fmt.Errorf("%w: %s has loaded %s, which the new release does not have", fpm.ErrPreload, p.File, below)
		}
	}
	return fmt.Errorf("%w: %s is of no release", fpm.ErrUntried, p.File)
}
