package opcache

import (
	"context"
	"slices"

	"relink/php"
	"relink/php/apache"
	"relink/php/probe"
)

// Web is what is reached through the web server.
type Web struct {
	Pools  []php.Pool   // PHPs that nothing else leads to (mod_php)
	Alone  bool         // nothing else serves the application
	Hidden error        // why a site could not be asked; nil where all were
	Doors  []probe.Door // of the application's sites, whatever serves them; nil: what the configuration tells
}

// Web asks the sites of all applications which PHP serves them, each once, and
// gives the PHPs inside of web servers that serve one application; nil means any.
// All are asked, because those of another application may be served by the same
// Apache, and each Apache is to be known by one name. Without the secret of the
// probe there is nobody to ask.
func (s Setup) Web(ctx context.Context, app *App) Web {
	doors, err := s.doors()
	if err != nil {
		return Web{Hidden: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Options.CallTimeout)
	defer cancel()
	all := make([]probe.Door, len(doors))
	for i, one := range doors {
		all[i] = one.Door
	}
	heard := probe.AskAll(ctx, all)
	web := Web{Alone: s.alone(doors, heard, app)}
	for i, one := range doors {
		if one.of(app) && web.Hidden == nil {
			web.Hidden = heard[i].Err
		}
	}
	for _, pool := range apache.Pools(ctx, heard, func(i int) string { return doors[i].app.AgentDir }) {
		if slices.ContainsFunc(pool.Sites, func(i int) bool { return doors[i].of(app) }) {
			web.Pools = append(web.Pools, pool.Pool)
		}
	}
	return web
}

// siteDoor is the way to one site of an application.
type siteDoor struct {
	probe.Door
	app *App
}

func (d siteDoor) of(app *App) bool { return app == nil || d.app.Name == app.Name }

// doors are the ways to all sites. Who may not read the secret of the probe has none.
func (s Setup) doors() ([]siteDoor, error) {
	secret, err := probe.ReadSecret(s.State)
	if err != nil {
		return nil, err
	}
	var all []siteDoor
	for i := range s.Apps {
		app := &s.Apps[i]
		for _, site := range app.Instances {
			if site.Probe.URL != "" && !site.Probe.Off {
				all = append(all, siteDoor{secret.Door(app.Name, site.Probe.URL, site.Probe.Host), app})
			}
		}
	}
	return all, nil
}

// doorsOf are the ways to the sites of an application, of all where it is nil.
func (s Setup) doorsOf(app *App, web Web) []probe.Door {
	if web.Doors != nil {
		return web.Doors
	}
	all, _ := s.doors()
	var ours []probe.Door
	for _, one := range all {
		if one.of(app) {
			ours = append(ours, one.Door)
		}
	}
	return ours
}

// alone tells whether every site of an application is served inside of a web
// server. One that is not asked may be PHP-FPM's.
func (s Setup) alone(doors []siteDoor, heard []probe.Heard, app *App) bool {
	sites := 0
	for _, one := range s.Apps {
		if app == nil || app.Name == one.Name {
			sites += len(one.Instances)
		}
	}
	for i, one := range doors {
		if one.of(app) && heard[i].InWebServer() {
			sites--
		}
	}
	return sites == 0 && len(doors) > 0
}

// SamePools tells whether two lists of pools name one of them in common. One
// Apache may be named by the addresses of different sites.
func SamePools(a, b []string) bool {
	return slices.ContainsFunc(a, func(one string) bool {
		return slices.ContainsFunc(b, func(other string) bool { return one == other || php.SameApache(one, other) })
	})
}
