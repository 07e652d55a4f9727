package propose

import (
	"fmt"
	"path/filepath"
	"strings"

	"relink/internal/ui"
)

// page is the file that is being written.
type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// remark is a comment; a path in it cannot end its line.
func (p *page) remark(indent, format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = ui.Printable(text)
		}
	}
	p.line(indent+"# "+format, args...)
}

// Render writes a draft as a configuration with comments.
func (d Draft) Render() string {
	p := &page{}
	p.remark("", `relink's configuration, proposed by "relink config init". Edit the names, then`)
	p.remark("", `run "relink config check". All keys: docs/configuration.md.`)
	p.line("")
	p.line("apps:")
	for i, app := range d.Apps {
		if i > 0 {
			p.line("")
		}
		p.app(app, len(d.Pools) > 1 && len(d.Apps) > 1)
	}
	p.pools(d)
	p.plain(d)
	p.notes(d.Notes)
	return p.String()
}

func (p *page) app(a App, named bool) {
	if a.New {
		p.remark("  ", "Nothing of this is there yet: the first deploy makes the releases folder and the links.")
	} else {
		p.remark("  ", "The document root of each of these sites goes through its link into %s.", a.Releases)
	}
	p.line("  %s:", quote(a.Name))
	p.remark("    ", "Where releases come from: git, or dir or archive (a path with {ref} in it).")
	p.line("    source: {git: %s}", quote("https://git.example.org/"+a.Name+".git"))
	p.line("    releases: %s", quote(a.Releases))
	if a.LinkTarget != "." {
		p.remark("    ", "The links lead to this folder of a release.")
		p.line("    link_target: %s", quote(a.LinkTarget))
	}
	if a.Docroot != "." {
		p.remark("    ", "The web server's document root is this folder behind the link.")
		p.line("    docroot: %s", quote(a.Docroot))
	}
	if a.ModPHP {
		p.remark("    ", "Apache runs PHP itself for these sites (mod_php): its processes are reached over HTTP.")
	}
	if named && len(a.Pools) > 0 {
		p.line("    pools: [%s]", quoteAll(a.Pools))
	}
	p.instances(a)
}

func (p *page) instances(a App) {
	common, all := a.commonCheck()
	switch {
	case all:
		p.remark("    ", "Each site answered 200 just now. It has to after a deploy as well, or the deploy is undone.")
		p.line("    check: %s", common)
	case common != "":
		if a.Instances[0].URL != "" {
			p.remark("    ", "Where a deploy asks each site which release visitors get.")
			p.line("    probe: %s", common)
		}
		p.remark("    ", "Once every front page answers 200, this undoes a deploy after which one does not:")
		p.line("    # check: %s", common)
	}
	p.line("    instances:")
	for _, i := range a.Instances {
		if i.From != "" {
			p.remark("      ", "%s, %s", hostOr(i.Host), i.From)
		}
		switch {
		case common == "" && i.Status == 200:
			p.line("      %s: {link: %s, check: %s}", quote(i.Name), quote(i.Link), i.check())
			continue
		case i.Status != 200 && i.Status != 0:
			p.remark("      ", "It answered %d just now; a check asks for 200 unless it says \"status\".", i.Status)
		case strings.HasPrefix(i.URL, "https:"):
			p.remark("      ", "It was found with TLS only, where a check has to use a name: check: {url: \"https://%s/\"}", hostOr(i.Host))
		}
		if common == "" && i.URL != "" {
			p.line("      %s: {link: %s, probe: %s}", quote(i.Name), quote(i.Link), i.check())
			continue
		}
		p.line("      %s: %s", quote(i.Name), quote(i.Link))
	}
}

func hostOr(host string) string {
	if host == "" {
		return "any host"
	}
	return host
}

func (p *page) pools(d Draft) {
	p.line("")
	if len(d.Pools) == 0 {
		p.remark("", "PHP-FPM's pools, if there are any, are found by themselves.")
		return
	}
	p.line("pools:")
	for _, pool := range d.Pools {
		status := pool.StatusPath
		if status == "" {
			status = "/status"
			p.remark("  ", "relink has to see the workers of this pool. Add to its configuration, and reload PHP-FPM:")
			p.remark("  ", "    pm.status_path = %s", status)
		}
		p.line("  - address: %s", quote(pool.Address))
		p.line("    status_path: %s", quote(status))
	}
}

const mostPlain = 50

func (p *page) plain(d Draft) {
	if len(d.Plain) == 0 {
		return
	}
	app := d.Apps[0].Name
	p.line("")
	p.remark("", "These sites are served from a folder. For each that is to share releases, put a link in the")
	p.remark("", `folder's place, once, by its two commands, and add its line to "instances" of %s.`, app)
	for _, s := range d.Plain[:min(len(d.Plain), mostPlain)] {
		before := s.Folder + ".before"
		p.line("#")
		p.remark("", "%s, %s", hostOr(s.Host), s.From)
		p.remark("", "  mv -T %s %s && ln -s %s %s", ui.Shell(s.Folder), ui.Shell(before), ui.Shell(filepath.Base(before)), ui.Shell(s.Folder))
		p.remark("", "  %s: %s", quote(s.Name), quote(s.Folder))
	}
	if more := len(d.Plain) - mostPlain; more > 0 {
		p.line("#")
		p.remark("", "And %d more.", more)
	}
}

func (p *page) notes(notes []string) {
	if len(notes) == 0 {
		return
	}
	p.line("")
	p.remark("", "What does not fit, or could not be looked at:")
	for _, note := range notes {
		p.remark("", "- %s", note)
	}
}
