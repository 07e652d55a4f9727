package e2e

import (
	"fmt"
	"maps"
	"strings"

	"relink/internal/sandbox"
)

// options are the sandbox of the way.
func (f *front) options() sandbox.Options {
	ini := map[string]string{"opcache.file_update_protection": "0"}
	if f.way.revalidate {
		ini["opcache.revalidate_path"] = "1"
	}
	maps.Copy(ini, f.way.ini)
	return sandbox.Options{
		Root: f.path("srv"), Web: f.way.web, Handler: f.way.handler, EnableReuse: f.way.reuse, INI: ini, Children: children,
		Masters: []sandbox.Master{f.elsewhere(sandbox.Master{INI: ini, Pools: []sandbox.Pool{{Name: "www", Workers: f.workers()}}})},
		Sites:   f.sites(),
	}
}

// children of an Apache with mod_php.
const children = 4

// workers of PHP-FPM: an idle one beside mod_php, and more than there may be
// requests at a time where each connection that the web server keeps takes one
// away.
func (f *front) workers() int {
	switch {
	case f.way.web == sandbox.WebApachePrefork:
		return 1
	case f.way.reuse:
		return 8
	}
	return 4
}

func (f *front) sites() []sandbox.Site {
	if f.way.virtual {
		return []sandbox.Site{{Host: "*.test", Virtual: true, DocumentRoot: f.documentRoot("%1")}}
	}
	var sites []sandbox.Site
	for _, club := range clubs {
		site := sandbox.Site{Host: club + ".test", DocumentRoot: f.documentRoot(club)}
		switch {
		case f.way.resolved && f.way.web == sandbox.WebNginx:
			site.RealpathRoot = true
		case f.way.resolved:
			site.DocumentRoot = f.path("releases")
			site.Directives = f.mapDirectives(club)
		}
		site.SeenAs = f.seenAs(site.DocumentRoot)
		if f.way.elsewhere == jails && club == "club2" {
			site.Pool = "other"
		}
		sites = append(sites, site)
	}
	return sites
}

// mapDirectives have Apache send real paths: a RewriteMap leads from the instance to
// the release. The target begins with a literal path, or Apache would put DocumentRoot
// before it (2.4.60). An internal redirect, such as one of a .htaccess, carries the
// release already.
func (f *front) mapDirectives(instance string) []string {
	releases := f.path("releases")
	return []string{
		"RewriteEngine On",
		fmt.Sprintf("RewriteMap relink %q", "txt:"+f.path("map")),
		`RewriteCond "%{ENV:REDIRECT_STATUS}" "^$"`,
		fmt.Sprintf(`RewriteCond "${relink:%s}" "^(.+)$"`, instance),
		fmt.Sprintf(`RewriteRule "^/(.*)$" %q [E=REL:%%1]`, releases+"/%1/public/$1"),
		fmt.Sprintf(`ProxyFCGISetEnvIf "true" DOCUMENT_ROOT %q`, releases+"/%{reqenv:REL}/public"),
		fmt.Sprintf(`ProxyFCGISetEnvIf "-n reqenv('REDIRECT_REL')" DOCUMENT_ROOT %q`, releases+"/%{reqenv:REDIRECT_REL}/public"),
	}
}

// configuration is relink's. It names the pool, beside mod_php an idle one:
// without a pool it would find those of this machine, which are not this test's.
func (f *front) configuration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "state_dir: %q\ntimeouts: {settle: 60s, call: 30s}\n", f.path("state"))
	b.WriteString("pools:\n")
	for _, pool := range f.server.Pools() {
		fmt.Fprintf(&b, "  - {address: %q, status_path: %s, agent_dir: %q%s}\n", pool.Address, pool.StatusPath, f.server.AgentDir(), f.pathMap(pool))
	}
	fmt.Fprintf(&b, "apps:\n  club:\n    source: {git: %q}\n    releases: %q\n    min_free: 1\n", f.path("repo.git"), f.path("releases"))
	if f.way.resolved && f.way.web != sandbox.WebNginx {
		fmt.Fprintf(&b, "    map: %q\n", f.path("map"))
	}
	if f.way.assets != "" {
		fmt.Fprintf(&b, "    assets: [%s]\n", f.way.assets)
	}
	if f.way.build != "" {
		fmt.Fprintf(&b, "    hooks: {build: [%q]}\n", f.way.build)
	}
	if f.way.inside {
		fmt.Fprintf(&b, "    probe: {url: %q, host: \"{instance}.test\"}\n", f.server.URL()+"/core/")
	} else {
		fmt.Fprintf(&b, "    docroot: public\n    check: {url: %q, host: \"{instance}.test\"}\n", f.server.URL()+"/")
	}
	b.WriteString("    instances:\n")
	for _, club := range clubs {
		fmt.Fprintf(&b, "      %s: %q\n", club, f.link(club))
	}
	return b.String()
}
