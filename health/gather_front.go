package health

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy/front"
	"relink/opcache"
	"relink/php/probe"
)

// Front is what an instance's own web server answered to the probe.
type Front struct {
	Instance string
	SetUp    opcache.Addressing
	Release  string // that serves; the folder of the probe where it lies in no release
	Wanted   string // that the link leads to
	Answer   probe.Answer
	Strange  bool  // by a PHP that no pool leads to
	Err      error // why it could not be asked
}

// askFronts asks the sites of each application through their web servers.
func (g *gathering) askFronts(ctx context.Context) {
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

func (g *gathering) fronts(ctx context.Context, secret probe.Secret, a Application, app *App) []Front {
	var sites []front.Site
	for _, instance := range a.Instances {
		if door, known := a.Door(secret, instance); known {
			sites = append(sites, front.Site{Name: instance.Name, Door: door})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	var all []Front
	for _, s := range front.Look(ctx, sites) {
		all = append(all, g.frontOf(s, app))
	}
	return all
}

func (g *gathering) frontOf(s front.Sight, app *App) Front {
	f := Front{Instance: s.Name, SetUp: s.Addressing(), Answer: s.Answer, Err: s.Err}
	for _, instance := range app.Instances {
		if instance.Name == s.Name {
			f.Wanted = instance.Release
		}
	}
	if s.Err != nil {
		return f
	}
	file, known := s.Answer.File, s.InWebServer() // whose processes a deploy finds by this same answer
	for _, p := range g.pools {
		if p.answers() && opcache.SamePHP(s.Answer, p.status) {
			file, known = p.pool.PathMap.ToHost(file), true
		}
	}
	f.Strange = !known
	f.Release = filepath.Dir(file)
	if below, inside := strings.CutPrefix(file, app.Releases+"/"); inside {
		f.Release, _, _ = strings.Cut(below, "/")
	}
	return f
}

// wrong lists the fronts that show something else than the links say.
func (app *App) wrong() []Front {
	return slices.DeleteFunc(slices.Clone(app.Fronts), func(f Front) bool {
		return f.Err != nil || f.Wanted == "" || f.Release == f.Wanted
	})
}
