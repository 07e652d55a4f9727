package gather

import (
	"context"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
	"relink/health"
)

// askFleet reads what all hosts say of themselves.
func (g *gatherer) askFleet(ctx context.Context) {
	if g.Fleet == nil {
		return
	}
	f := &health.Fleet{Host: g.Fleet.Host, Apps: map[string][]fleet.Standing{}}
	g.facts.Fleet = f
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	s, err := store.Open(ctx, *g.Fleet)
	if err != nil {
		f.Err = err
		return
	}
	defer s.Close()
	view, err := s.View(ctx)
	if err != nil {
		f.Err = err
		return
	}
	for _, app := range g.Apps {
		f.Apps[app.Name] = view.Standing(app.Name)
	}
}
