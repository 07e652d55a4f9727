package gather

import (
	"context"
	"errors"
	"io/fs"

	"relink/deploy/apps"
	"relink/deploy/front"
	"relink/health"
	"relink/opcache"
	"relink/php/probe"
)

// askFronts asks the sites of each application through their web servers.
func (g *gatherer) askFronts(ctx context.Context) {
	secret, err := probe.ReadSecret(g.State)
	for i := range g.Apps {
		app := &g.facts.Apps[i]
		switch {
		case errors.Is(err, fs.ErrNotExist): // no deploy has made one yet
		case err != nil:
			app.FrontErr = err
		default:
			app.Fronts = g.fronts(ctx, secret, g.Apps[i], app)
		}
	}
}

func (g *gatherer) fronts(ctx context.Context, secret probe.Secret, a apps.App, app *health.App) []health.Front {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	var all []health.Front
	for _, s := range probe.AskAll(ctx, secret.Doors(a.Name, a.Instances), probe.AtOnce) {
		all = append(all, g.frontOf(s, app))
	}
	return all
}

func (g *gatherer) frontOf(s probe.Heard, app *health.App) health.Front {
	f := health.Front{Instance: s.Door.Site, SetUp: front.Addressing(s), Answer: s.Answer, Err: s.Err}
	for _, instance := range app.Instances {
		if instance.Name == s.Door.Site {
			f.Wanted = instance.Release
		}
	}
	if s.Err != nil {
		return f
	}
	file, known := s.Answer.File, s.InWebServer() // whose processes a deploy finds by this same answer
	for _, p := range g.pools {
		if !p.answers() { // it may be the one
			known = true
		} else if opcache.SamePHP(s.Answer, p.Status) {
			file, known = p.PathMap.ToHost(file), true
		}
	}
	f.Strange = !known
	f.Release = front.ReleaseOf(file, app.Releases)
	return f
}
