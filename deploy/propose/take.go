package propose

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/config"
	"relink/internal/links"
	"relink/php/webserver"
)

// take adds a site to the application of its releases.
func (d *Draft) take(s served, p passage) {
	if d.has(p.link) {
		return // another name, or the same site by TLS
	}
	i := slices.IndexFunc(d.Apps, func(a App) bool {
		return !a.New && a.Releases == p.releases && a.LinkTarget == p.linkTarget && a.Docroot == p.docroot
	})
	if other := d.conflict(p.link, p.releases, i < 0); other != "" {
		d.Notes = append(d.Notes, fmt.Sprintf("the link %s with the releases folder %s is left out: %s is in its way", p.link, p.releases, other))
		return
	}
	if i < 0 {
		d.Apps = append(d.Apps, App{Name: appName(p.releases), Releases: p.releases, LinkTarget: p.linkTarget, Docroot: p.docroot})
		i = len(d.Apps) - 1
	}
	d.Apps[i].add(s, p.link)
}

// takeNew adds a site whose document root does not exist: the first deploy makes
// its link. It belongs to the sites beside it.
func (d *Draft) takeNew(s served) {
	link, docroot := newLink(filepath.Join(s.at, s.missing), s.missing)
	if d.has(link) {
		return
	}
	home := homeOf(link)
	i := slices.IndexFunc(d.Apps, func(a App) bool {
		return a.Docroot == docroot && slices.ContainsFunc(a.Instances, func(i Instance) bool { return homeOf(i.Link) == home })
	})
	app := App{LinkTarget: ".", Docroot: docroot, New: true}
	if i < 0 {
		app.Name = unique("app", d.named)
		if app.Releases = filepath.Join(ReleasesBelow, app.Name); d.conflict(link, app.Releases, true) != "" {
			app.Releases = filepath.Join("/srv", app.Name, "releases")
		}
	}
	if other := d.conflict(link, app.Releases, i < 0); other != "" {
		d.Notes = append(d.Notes, fmt.Sprintf("the site %s is left out: %s is in the way of its link %s", s.site.From, other, link))
		return
	}
	if i < 0 {
		d.Apps = append(d.Apps, app)
		i = len(d.Apps) - 1
	}
	d.Apps[i].add(s, link)
}

// homeOf is the folder in which the sites lie: that of the links, or the one
// above where each site has a folder of its own.
func homeOf(link string) string {
	if filepath.Base(link) == current || isDocroot(link) {
		link = filepath.Dir(link)
	}
	return filepath.Dir(link)
}

func (d *Draft) takePlain(s served) {
	folder := s.at
	if isDocroot(folder) && !isDocroot(filepath.Dir(folder)) && filepath.Dir(filepath.Dir(folder)) != "/" {
		folder = filepath.Dir(folder)
	}
	if slices.ContainsFunc(d.Plain, func(p Plain) bool { return p.Folder == folder }) {
		return
	}
	d.Plain = append(d.Plain, Plain{Name: instanceName(folder), Host: s.host, Folder: folder, From: s.site.From})
}

// skeleton is for a machine where nothing goes through a link.
func (d *Draft) skeleton(list []served) {
	app := App{Name: "app", Releases: filepath.Join(ReleasesBelow, "app"), LinkTarget: ".", Docroot: "public", New: true}
	for _, name := range []string{"site1", "site2"} {
		app.Instances = append(app.Instances, Instance{Name: name, Link: filepath.Join("/var/www", name), Host: name + ".example.org"})
	}
	for _, s := range list {
		app.servedBy(s)
	}
	d.Apps = []App{app}
}

func (a *App) add(s served, link string) {
	taken := func(name string) bool {
		return slices.ContainsFunc(a.Instances, func(i Instance) bool { return strings.EqualFold(i.Name, name) })
	}
	name := instanceName(link)
	if taken(name) && s.host != "" {
		name = clean(s.host)
	}
	i := Instance{Name: unique(name, taken), Link: link, URL: s.site.URL, From: s.site.From}
	if config.ValidHost(s.host) {
		i.Host = s.host
	}
	a.Instances = append(a.Instances, i)
	a.servedBy(s)
}

// servedBy notes what PHP runs a site.
func (a *App) servedBy(s served) {
	a.ModPHP = a.ModPHP || s.site.Handler == webserver.ModPHP
	if s.site.Pool != "" && !slices.Contains(a.Pools, s.site.Pool) {
		a.Pools = append(a.Pools, s.site.Pool)
	}
}

func (d *Draft) has(link string) bool {
	return slices.ContainsFunc(d.Apps, func(a App) bool {
		return slices.ContainsFunc(a.Instances, func(i Instance) bool { return i.Link == link })
	})
}

func (d *Draft) named(name string) bool {
	return slices.ContainsFunc(d.Apps, func(a App) bool { return strings.EqualFold(a.Name, name) })
}

// conflict names what is in the way of a link, and of a releases folder where
// that is new: no link may replace a folder that is needed or lie behind another
// one, and releases folders lie beside each other.
func (d *Draft) conflict(link, releases string, isNew bool) string {
	needed := []string{"/var/lib/relink"}
	if isNew {
		needed = append(needed, releases)
	}
	for _, a := range d.Apps {
		if isNew && links.Overlap(a.Releases, releases) {
			return a.Releases
		}
		needed = append(needed, a.Releases)
		for _, i := range a.Instances {
			if links.Overlap(i.Link, link) || isNew && links.Overlap(i.Link, releases) {
				return i.Link
			}
		}
	}
	for _, folder := range needed {
		if links.Within(link, folder) || links.Within(filepath.Dir(folder)+"/shared", link) || links.Within(folder, link) {
			return folder
		}
	}
	return ""
}
