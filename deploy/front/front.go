// Package front asks the sites of an application, each through its own web
// server, which PHP serves them, and judges what they answer.
package front

import (
	"context"
	"path"

	"relink/opcache"
	"relink/php/probe"
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

// Look asks all sites, some at the same time, in their order.
func Look(ctx context.Context, sites []Site) []Sight {
	doors := make([]probe.Door, len(sites))
	for i, site := range sites {
		doors[i] = site.Door
	}
	sights := make([]Sight, len(sites))
	for i, heard := range probe.AskAll(ctx, doors) {
		sights[i] = Sight{Site: sites[i], Answer: heard.Answer, Err: heard.Err}
	}
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

// Heard is the answer alone.
func (s Sight) Heard() probe.Heard { return probe.Heard{Door: s.Door, Answer: s.Answer, Err: s.Err} }

// InWebServer tells whether the PHP that answered runs inside of the web server.
func (s Sight) InWebServer() bool { return s.Heard().InWebServer() }
