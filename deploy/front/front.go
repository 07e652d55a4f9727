// Package front asks the sites of an application, each through its own web
// server, which PHP serves them, and judges what they answer.
package front

import (
	"context"
	"path"
	"time"

	"relink/opcache"
	"relink/php/probe"

	"golang.org/x/sync/errgroup"
)

// Site is an instance and the way to its probe.
type Site struct {
	Name string
	Door probe.Door
}

// Sight is what a site answered.
type Sight struct {
	Site
	Answer probe.Answer
	Err    error // nil: it answered
}

const (
	parallel = 8
	patience = 10 * time.Second // for one site
)

// Look asks all sites, some at the same time, in their order.
func Look(ctx context.Context, sites []Site) []Sight {
	sights := make([]Sight, len(sites))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, site := range sites {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			sights[i].Site = site
			sights[i].Answer, sights[i].Err = site.Door.Ask(ctx)
			return nil
		})
	}
	_ = group.Wait() // none fails: what went wrong stands in its sight
	return sights
}

// Addressing is how the web server names scripts to the PHP that answered.
func (s Sight) Addressing() opcache.Addressing {
	switch {
	case s.Err != nil:
		return ""
	case path.Clean(s.Answer.Filename) == path.Clean(s.Answer.File):
		return opcache.Resolved
	case s.Answer.RevalidatePath:
		return opcache.Revalidated
	}
	return opcache.Keyed
}

// Weakest is the set-up that holds for all sites; "" where one is not known.
func Weakest(sights []Sight) opcache.Addressing {
	var weakest opcache.Addressing
	for _, s := range sights {
		one := s.Addressing()
		if one == "" {
			return ""
		}
		weakest = weakest.Weaker(one)
	}
	return weakest
}

// InWebServer tells whether the PHP that answered runs inside of the web server
// (mod_php), so that no pool leads to it.
func (s Sight) InWebServer() bool { return s.Err == nil && s.Answer.SAPI == "apache2handler" }
