package propose

import (
	"fmt"
	"slices"

	"relink/internal/links"
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
// the sites name, and changes nothing. Of a folder that stands for a pattern it looks at
// 1,000 names.
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
		} else if !slices.ContainsFunc(d.Apps, func(a App) bool { return links.Within(s.at, a.Releases) }) { // no release that is served as it is
			d.takePlain(s)
		}
	}
	if len(d.Apps) == 0 {
		d.skeleton(list)
	}
	for i := range d.Apps {
		earlier := Draft{Apps: d.Apps[:i]}
		d.Apps[i].Name = unique(d.Apps[i].Name, earlier.named)
	}
	d.choosePools(found.Pools)
	return *d
}
