package opcache

import (
	"context"
	"os"
	"slices"

	"relink/php"
	"relink/php/apache"
	"relink/php/probe"
)

// Web is what is reached through the web server.
type Web struct {
	Pools  []php.Pool    // PHPs that nothing else leads to (mod_php)
	Alone  bool          // nothing else serves the application
	Hidden error         // why a site could not be asked; nil where all were
	Heard  []probe.Heard // at the doors of the application's sites, whatever serves them; nil: nobody has asked
}

// Web asks the sites of all applications which PHP serves them, each once, and
// gives the PHPs inside of web servers that serve one application; nil means any.
// All are asked, because those of another application may be served by the same
// Apache, and each Apache is to be known by one name. Without the secret of the
// probe there is nobody to ask. The sites have Timeouts.Call for that, and 64 KiB each.
func (s Setup) Web(ctx context.Context, app *App) Web {
	doors, err := s.doors()
	if err != nil {
		return Web{Hidden: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Options.Timeouts.Call)
	defer cancel()
	heard := probe.AskAll(ctx, doors, probe.AtOnce)
	web := Web{Alone: s.alone(doors, heard, app)}
	for i, one := range doors {
		if !serves(one, app) {
			continue
		}
		web.Heard = append(web.Heard, heard[i])
		if web.Hidden == nil {
			web.Hidden = heard[i].Err
		}
	}
	for _, pool := range apache.Pools(ctx, heard, func(i int) string { return s.App(doors[i].App).AgentDir }) {
		if slices.ContainsFunc(pool.Sites, func(i int) bool { return serves(doors[i], app) }) {
			web.Pools = append(web.Pools, pool.Pool)
		}
	}
	return web
}

// serves tells whether a way is one to an application; nil means any.
func serves(d probe.Door, app *App) bool { return app == nil || d.App == app.Name }

// doors are the ways to all sites. Who may not read the secret of the probe has none.
func (s Setup) doors() (all []probe.Door, err error) {
	secret, err := probe.ReadSecret(s.State)
	if err != nil {
		return nil, err
	}
	for _, app := range s.Apps {
		all = append(all, secret.Doors(app.Name, app.Instances)...)
	}
	return all, nil
}

// doorsOf are the ways to the sites of an application, of all where it is nil, with what
// has been heard there.
func (s Setup) doorsOf(app *App, web Web) []probe.Heard {
	if web.Heard != nil {
		return web.Heard
	}
	all, _ := s.doors()
	var ways []probe.Heard
	for _, door := range all {
		if serves(door, app) {
			ways = append(ways, probe.Heard{Door: door, Err: errUnasked})
		}
	}
	return ways
}

// alone tells whether every site of an application is served inside of a web
// server. One that is not asked may be PHP-FPM's.
func (s Setup) alone(doors []probe.Door, heard []probe.Heard, app *App) bool {
	sites := 0
	for _, one := range s.Apps {
		if app == nil || app.Name == one.Name {
			sites += len(one.Instances)
		}
	}
	for i, one := range doors {
		if serves(one, app) && heard[i].InWebServer() {
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

// Has tells whether the PHP that answered a probe is one of these: the same kind
// of server, the same start of its OPcache, and the same parent, each as far as it
// is known.
func (c *Caches) Has(a probe.Answer) bool {
	return slices.ContainsFunc(c.pools(), func(p *Pool) bool { return SamePHP(a, p.Status) })
}

// ToHost is the script that answered a probe, as the host sees it. The pools of
// containers that began together, each with a first process of its own, may all
// be the one that answered: then it is the way in which the file exists.
func (c *Caches) ToHost(a probe.Answer) string {
	host := a.File
	for _, p := range c.pools() {
		if !SamePHP(a, p.Status) {
			continue
		}
		if host = p.PathMap.ToHost(a.File); Exists(host) {
			break
		}
	}
	return host
}

// Views are those of the pools that see paths otherwise than this machine does.
func (c *Caches) Views() []php.PathMap {
	var views []php.PathMap
	for _, one := range c.Spaces() {
		if view := one.paths(); len(view) > 0 {
			views = append(views, view)
		}
	}
	return views
}

// SamePHP tells whether a probe was answered by the PHP whose status this is. The
// start is compared by the second: that is what OPcache counts in. The parent is
// compared by the number that the workers themselves know it by: in another PID
// namespace that is not the one of this host.
func SamePHP(a probe.Answer, s php.Status) bool {
	switch {
	case s.Worker.SAPI != a.SAPI:
		return false
	case !a.CacheStart.IsZero() && a.CacheStart.Unix() != s.Statistics.StartTime.Unix():
		return false
	}
	return s.Worker.ParentPID == 0 || a.ParentPID == 0 || a.ParentPID == s.Worker.ParentPID
}

func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
