package gather

import (
	"context"
	"time"

	"relink/deploy/fleet/store"
	"relink/health"
	"relink/internal/config"
)

// askFleet reads what all hosts say of themselves.
func (g *gatherer) askFleet(ctx context.Context) {
	if g.Fleet == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	g.facts.Fleet = g.Fleet(ctx)
}

// Fleet asks etcd once. Whoever looks again and again follows it instead.
func Fleet(f config.Fleet) func(context.Context) *health.Fleet {
	return func(ctx context.Context) *health.Fleet {
		s, err := store.Open(ctx, f)
		if err != nil {
			return &health.Fleet{Host: f.Host, Err: err}
		}
		defer s.Close()
		view, err := s.View(ctx)
		if err != nil {
			return &health.Fleet{Host: f.Host, Err: err}
		}
		return fleetOf(f.Host, view)
	}
}

// fleetOf is what a view tells to this host. Who asked for a rollout is not proven here, so that
// it is told as they say themselves.
func fleetOf(host string, v store.View) *health.Fleet {
	apps := v.Overviews()
	for i, app := range apps {
		if app.Rollout != nil {
			plain := *app.Rollout
			plain.Certificate, plain.Signed = "", nil
			apps[i].Rollout = &plain
		}
	}
	return &health.Fleet{Host: host, Time: time.Now(), Steward: v.Steward(), Apps: apps}
}
