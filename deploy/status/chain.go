package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"relink/deploy/apps"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/webserver"
)

// Discover tells what the running web servers serve (webserver.Discover).
type Discover func(ctx context.Context) (sites []webserver.Site, notes []string, err error)

// lookBound is the time that the web servers have to tell their configuration: who
// asks for the status wants to see the links now.
const lookBound = 5 * time.Second

// Site is a site of a web server that serves an instance: what leads from a
// host to the cache.
type Site struct {
	Host         string       `json:"host"`          // one of its names; "" where it answers to any
	DocumentRoot string       `json:"document_root"` // as configured
	From         string       `json:"from"`          // file:line of its configuration
	Server       string       `json:"server"`        // "apache" or "nginx"
	ServerPID    int          `json:"server_pid"`    // of its first process
	Handler      string       `json:"handler"`       // of PHP: "fpm", "mod_php", or "", which is none
	Pool         string       `json:"pool"`          // of "fpm"; "" if that cannot be told
	OPcache      *CacheOfSite `json:"opcache"`       // nil: it was not reached
}

// CacheOfSite tells one OPcache from another, and from itself after a restart.
type CacheOfSite struct {
	PID     int       `json:"pid"`     // of the FPM master or of Apache, where this machine sees it, else 0
	Started time.Time `json:"started"` // or restarted
}

// addSites finds who serves the instances. What cannot be found out is a note.
func (s *Status) addSites(ctx context.Context, app apps.App, discover Discover) {
	if discover == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookBound)
	defer cancel()
	sites, notes, err := discover(ctx)
	s.Notes = append(s.Notes, notes...)
	if err != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("not all were looked at: %v", err))
	}
	links := make([]webserver.Link, len(app.Instances))
	for i, instance := range app.Instances {
		links[i] = webserver.Link{Name: instance.Name, Path: instance.Link, Docroot: app.Docroot}
	}
	for _, c := range webserver.Match(sites, links) {
		i := slices.IndexFunc(s.Instances, func(one Instance) bool { return one.Name == c.Link.Name })
		s.Instances[i].Sites = append(s.Instances[i].Sites, Site{
			Host: c.Host, DocumentRoot: c.Site.DocumentRoot, From: c.Site.From,
			Server: c.Site.Server, ServerPID: c.Site.PID, Handler: c.Site.Handler, Pool: c.Site.Pool,
		})
	}
}

// addOPcache completes the sites with the caches behind their PHP.
func (s *Status) addOPcache(usages []opcache.Usage) {
	for _, instance := range s.Instances {
		for i := range instance.Sites {
			site := &instance.Sites[i]
			if u := slices.IndexFunc(usages, site.uses); u >= 0 {
				site.OPcache = &CacheOfSite{PID: usages[u].PID, Started: usages[u].Started}
			}
		}
	}
}

// uses tells whether a cache is that of the PHP that the site is sent to.
func (s Site) uses(u opcache.Usage) bool {
	if s.Handler == webserver.ModPHP {
		return u.Apache && u.PID == s.ServerPID
	}
	return s.Pool != "" && !u.Apache && slices.ContainsFunc(u.Pools, func(pool string) bool { return webserver.SamePool(pool, s.Pool) })
}

// served tells whether anybody is known to serve one of the instances.
func (s Status) served() bool {
	return slices.ContainsFunc(s.Instances, func(one Instance) bool { return len(one.Sites) > 0 })
}

// chain leads from each host to its cache. An instance with several sites is
// shown with the one that fits best.
func (s Status) chain(width int) *ui.Table {
	table := ui.NewTable(width, "HOST", "INSTANCE", "SENT TO", "OPCACHE")
	for _, one := range s.Instances {
		if len(one.Sites) == 0 {
			table.Row("none found", one.Name, "-", "-")
			continue
		}
		site := one.Sites[0]
		table.Row(ui.Printable(cmp.Or(site.Host, "any host")), one.Name, ui.Printable(site.sentTo()), site.OPcache.String())
	}
	return table
}

func (s Site) sentTo() string {
	switch s.Handler {
	case webserver.FPM:
		return cmp.Or(s.Pool, "PHP-FPM")
	case webserver.ModPHP:
		return fmt.Sprintf("mod_php of Apache, pid %d", s.ServerPID)
	}
	return "no PHP"
}

func (c *CacheOfSite) String() string {
	switch {
	case c == nil:
		return "-"
	case c.PID == 0:
		return "since " + ui.Stamp(c.Started)
	}
	return fmt.Sprintf("pid %d, since %s", c.PID, ui.Stamp(c.Started))
}
