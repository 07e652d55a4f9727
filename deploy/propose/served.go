package propose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/links"
	"relink/internal/realpath"
	"relink/php/webserver"
)

// served is one host of a site with the way to its document root.
type served struct {
	site    webserver.Site
	host    string
	root    string
	steps   []links.Step // the symbolic links on the way
	at      string       // where the way ends
	missing string       // what is not there; "" if all is
}

// mostNames bounds the folder that a document root with %0 or $host names.
const mostNames = 1000

// servedOf lists sites by host, those without TLS first: of two sites with the
// same link the first one is asked.
func servedOf(sites []webserver.Site) (list []served) {
	for _, site := range sites {
		if !site.Patterned() {
			list = append(list, lead(site, site.Host(), site.DocumentRoot))
			continue
		}
		list = append(list, hosted(site)...)
	}
	slices.SortStableFunc(list, func(a, b served) int { return b.plainHTTP() - a.plainHTTP() })
	return list
}

func (s served) plainHTTP() int {
	if strings.HasPrefix(s.site.URL, "http:") {
		return 1
	}
	return 0
}

func lead(site webserver.Site, host, root string) served {
	s := served{site: site, host: host, root: filepath.Clean(root)}
	s.steps, s.at, s.missing = links.Walk(s.root, nil)
	return s
}

// hosted finds the hosts of a site whose document root depends on the host, by
// what lies in the folder where the names differ.
func hosted(site webserver.Site) (list []served) {
	varying := "$"
	if site.Server == webserver.Apache {
		varying = "%"
	}
	fixed, _, _ := strings.Cut(site.DocumentRoot, varying)
	folder := fixed[:strings.LastIndexByte(fixed, '/')+1]
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries[:min(len(entries), mostNames)] {
		under := filepath.Join(folder, entry.Name())
		for _, host := range site.HostsFor(under) {
			s := lead(site, host, site.RootFor(host))
			if (s.root == under || strings.HasPrefix(s.root, under+"/")) && s.missing == "" {
				list = append(list, s)
				break
			}
		}
	}
	return list
}

// passage is the link through which a site reaches a release.
type passage struct {
	link, docroot        string
	releases, linkTarget string
}

// passage finds the link that leads to a release, if there is one. used counts
// how many links lead to a folder: one that several lead to is a release.
func (s served) passage(used map[string]int) (passage, bool) {
	for _, step := range s.steps {
		target, err := realpath.Of(step.Link)
		if err != nil {
			continue
		}
		release, inner := releaseOf(target)
		if used[target] > 1 || isRelease(release) {
			return passage{
				link: step.Link, docroot: filepath.Clean(step.Behind),
				releases: filepath.Dir(release), linkTarget: inner,
			}, true
		}
	}
	return passage{}, false
}

// uses counts the links to each folder.
func uses(list []served) map[string]int {
	used, seen := map[string]int{}, map[string]bool{}
	for _, s := range list {
		for _, step := range s.steps {
			if target, err := realpath.Of(step.Link); err == nil && !seen[step.Link] {
				seen[step.Link] = true
				used[target]++
			}
		}
	}
	return used
}
