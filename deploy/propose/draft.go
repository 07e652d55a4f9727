package propose

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Draft is the configuration that fits what was found.
type Draft struct {
	Apps  []App
	Plain []Plain
	Pools []Pool
	Notes []string
}

// App is one application: sites whose links lead into one folder of releases, or
// sites that have nothing yet.
type App struct {
	Name       string
	Releases   string
	LinkTarget string
	Docroot    string
	Instances  []Instance
	Pools      []string // their addresses
	ModPHP     bool     // one of its sites has it
	New        bool     // its names are proposals: nothing of it exists
}

// Instance is one site with its link.
type Instance struct {
	Name, Link string
	Host       string // "" where the site answers to any name, or where none was found
	URL        string // of the web server on this machine; "" if it cannot be reached
	From       string // where it is configured; "" for a proposal
	Status     int    // what it answers; 0 if it was not asked or did not answer
}

// Plain is a site that is served from a folder and not through a link.
type Plain struct {
	Name, Host string
	Folder     string // what a link would stand for
	From       string
}

// ReleasesBelow is where the releases of a new application are proposed.
const ReleasesBelow = "/srv/releases"

// Propose makes a draft of what was found. It looks at links and folders that
// the sites name, and changes nothing.
func Propose(found Found) Draft {
	d := &Draft{Notes: slices.Clone(found.Notes)}
	list := servedOf(found.Sites)
	used := uses(list)
	var rest []served
	for _, s := range list {
		p, linked := s.passage(used)
		switch {
		case !writable(s.root):
			d.Notes = append(d.Notes, fmt.Sprintf("%s: no configuration can hold the characters of its document root %q", s.site.From, s.root))
		case linked:
			d.take(s, p)
		case s.site.Handler != "":
			rest = append(rest, s)
		}
	}
	for _, s := range rest {
		if s.missing != "" {
			d.takeNew(s)
		} else if _, inRelease := d.holds(s.at); !inRelease {
			d.takePlain(s)
		}
	}
	if len(d.Apps) == 0 {
		d.skeleton(list)
	}
	d.name()
	d.choosePools(found.Pools)
	return *d
}

// take adds a site to the application of its releases.
func (d *Draft) take(s served, p passage) {
	if d.has(p.link) {
		return // another name, or the same site by TLS
	}
	i := slices.IndexFunc(d.Apps, func(a App) bool {
		return !a.New && a.Releases == p.releases && a.LinkTarget == p.linkTarget && a.Docroot == p.docroot
	})
	if i < 0 {
		if other, clash := d.holds(p.releases); clash {
			d.Notes = append(d.Notes, fmt.Sprintf("%s: its releases folder %s and %s hold each other, or serve two document roots; it is left out", p.link, p.releases, other))
			return
		}
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
	if i < 0 {
		name := unique("app", func(name string) bool { return slices.ContainsFunc(d.Apps, func(a App) bool { return a.Name == name }) })
		d.Apps = append(d.Apps, App{Name: name, Releases: filepath.Join(ReleasesBelow, name), LinkTarget: ".", Docroot: docroot, New: true})
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
	if hostName.MatchString(s.host) {
		i.Host = s.host
	}
	a.Instances = append(a.Instances, i)
	a.servedBy(s)
}

// servedBy notes what PHP runs a site.
func (a *App) servedBy(s served) {
	a.ModPHP = a.ModPHP || s.site.Handler == "mod_php"
	if s.site.Pool != "" && !slices.Contains(a.Pools, s.site.Pool) {
		a.Pools = append(a.Pools, s.site.Pool)
	}
}

func (d *Draft) has(link string) bool {
	return slices.ContainsFunc(d.Apps, func(a App) bool {
		return slices.ContainsFunc(a.Instances, func(i Instance) bool { return i.Link == link })
	})
}

// holds finds an application whose releases folder cannot be beside another.
func (d *Draft) holds(releases string) (other string, clash bool) {
	for _, a := range d.Apps {
		if within(a.Releases, releases) || within(releases, a.Releases) {
			return a.Releases, true
		}
	}
	return "", false
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// name makes the names of the applications differ.
func (d *Draft) name() {
	for i := range d.Apps {
		d.Apps[i].Name = unique(d.Apps[i].Name, func(name string) bool {
			return slices.ContainsFunc(d.Apps[:i], func(a App) bool { return strings.EqualFold(a.Name, name) })
		})
	}
}
