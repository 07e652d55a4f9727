package propose

import (
	"fmt"
	"strings"

	"relink/internal/ui"
)

// Summary tells in some lines what a draft is made of.
func (d Draft) Summary() string {
	var b strings.Builder
	for _, a := range d.Apps {
		switch {
		case a.New && a.Instances[0].From == "":
			fmt.Fprintf(&b, "No site goes through a link yet: %s is a skeleton, with names of its own.\n", a.Name)
		case a.New:
			fmt.Fprintf(&b, "%s: %s without a document root yet, for the first deploy to make: %s\n", a.Name, ui.Plural(len(a.Instances), "site"), a.names())
		default:
			fmt.Fprintf(&b, "%s: %s with a link into %s: %s\n", a.Name, ui.Plural(len(a.Instances), "site"), ui.Printable(a.Releases), a.names())
		}
		if a.ModPHP {
			fmt.Fprintf(&b, "   Apache runs their PHP itself (mod_php).\n")
		}
	}
	for _, p := range d.Pools {
		fmt.Fprintf(&b, "pool %s\n", p.Address)
		if p.StatusPath == "" {
			fmt.Fprintf(&b, "   has no status page: add \"pm.status_path = /status\" to its configuration, and reload PHP-FPM\n")
		}
	}
	if len(d.Plain) > 0 {
		fmt.Fprintf(&b, "%s served from a folder: the file says how each gets a link\n", ui.Plural(len(d.Plain), "site"))
	}
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", ui.Printable(note))
	}
	return b.String()
}

const mostNamed = 8

func (a App) names() string {
	var names []string
	for _, i := range a.Instances[:min(mostNamed, len(a.Instances))] {
		names = append(names, i.Name)
	}
	if more := len(a.Instances) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
