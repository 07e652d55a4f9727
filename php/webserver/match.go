package webserver

import (
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"relink/internal/links"
)

// Link is the symbolic link of an instance.
type Link struct {
	Name    string // of the instance
	Path    string
	Docroot string // what is to be served, relative to the link: "." or "public"
}

// Chain says that a host is served through a link.
type Chain struct {
	Link   Link
	Site   Site
	Host   string // one to ask for; "" where the site answers to any name
	Behind string // what the document root says behind the link: "." or "public"
}

// Match finds which site serves which link, in the order of the links. For one
// link the best comes first: what serves its Docroot before other folders of it,
// and sites that are reached without TLS before others.
func Match(sites []Site, instances []Link) (chains []Chain) {
	for _, link := range instances {
		var own []Chain
		spot := links.Place(link.Path)
		for _, site := range sites {
			if chain, found := site.serves(link, spot); found {
				own = append(own, chain)
			}
		}
		slices.SortStableFunc(own, func(a, b Chain) int { return b.grade() - a.grade() })
		chains = append(chains, own...)
	}
	return chains
}

func (c Chain) grade() (points int) {
	if c.Behind == filepath.Clean(c.Link.Docroot) {
		points += 4
	}
	if c.Site.URL != "" {
		points += 2
	}
	if strings.HasPrefix(c.Site.URL, "http:") {
		points++
	}
	return points
}

func (s Site) serves(link Link, spot string) (chain Chain, found bool) {
	for _, host := range s.HostsFor(link.Path) {
		if rest, through := behind(s.RootFor(host), spot); through {
			return Chain{Link: link, Site: s, Host: host, Behind: filepath.Clean(rest)}, true
		}
	}
	return Chain{}, false
}

// HostsFor are hosts that may be served from a path: the site's first one, or,
// where its document root depends on the host, all of them and those that the
// names in the path make.
func (s Site) HostsFor(path string) (hosts []string) {
	if !s.Patterned() {
		return []string{s.Host()}
	}
	for _, host := range s.Hosts {
		if !strings.Contains(host, "*") && !strings.HasPrefix(host, ".") {
			hosts = append(hosts, host)
		}
	}
	names := parts(path)
	for _, host := range s.Hosts {
		if suffix, ok := wildcard(host); ok {
			for _, name := range names {
				hosts = append(hosts, name+suffix)
			}
		}
	}
	return append(hosts, names...)
}

// wildcard is what is fixed in *.example.org, and in nginx's .example.org.
func wildcard(host string) (suffix string, ok bool) {
	suffix = strings.TrimPrefix(host, "*")
	return suffix, strings.HasPrefix(suffix, ".") && !strings.Contains(suffix, "*")
}

// Host is the first of the hosts that is a name, "" if none is.
func (s Site) Host() string {
	for _, host := range s.Hosts {
		if !strings.ContainsAny(host, "*?") && !strings.HasPrefix(host, ".") && !strings.HasSuffix(host, ".") {
			return host
		}
	}
	return ""
}

// Patterned tells whether the document root depends on the host.
func (s Site) Patterned() bool {
	if s.Server == Apache {
		return strings.Contains(s.DocumentRoot, "%")
	}
	return strings.Contains(s.DocumentRoot, "$")
}

// RootFor is the document root that a host is served from.
func (s Site) RootFor(host string) string {
	switch {
	case !s.Patterned():
		return s.DocumentRoot
	case s.Server == Apache:
		return interpolate(s.DocumentRoot, strings.ToLower(host))
	}
	root := s.DocumentRoot
	for _, name := range []string{"host", "http_host"} {
		root = strings.NewReplacer("${"+name+"}", host, "$"+name, host).Replace(root)
	}
	return strings.NewReplacer("${server_name}", s.Host(), "$server_name", s.Host()).Replace(root)
}

// specifier is one of a VirtualDocumentRoot: %0, %2, %-1, %2+, %1.3, or %%.
var specifier = regexp.MustCompile(`%(?:(%)|(-?\d\+?)?(?:\.(-?\d\+?))?)`)

// interpolate fills in a VirtualDocumentRoot as mod_vhost_alias does
// (vhost_alias_interpolate): %0 is the host, %2 its second part, %-1 the last
// one, %2+ the second and all that follow, %1.3 the third letter of the first.
func interpolate(pattern, host string) string {
	return specifier.ReplaceAllStringFunc(pattern, func(one string) string {
		found := specifier.FindStringSubmatch(one)
		if found[1] != "" {
			return "%"
		}
		value := pick(found[2], strings.Split(host, "."), ".", host)
		if found[3] != "" {
			value = pick(found[3], strings.Split(value, ""), "", value)
		}
		return value
	})
}

// pick takes "2", "-1", "2+" or "-2+" from the list; what is not there is "_".
func pick(which string, list []string, separator, whole string) string {
	digits, all := strings.CutSuffix(which, "+")
	n, _ := strconv.Atoi(digits)
	switch {
	case n == 0:
		return whole
	case max(n, -n) > len(list):
		return "_"
	case n < 0 && all:
		return strings.Join(list[:len(list)+n+1], separator)
	case n < 0:
		return list[len(list)+n]
	case all:
		return strings.Join(list[n-1:], separator)
	}
	return list[n-1]
}

// behind tells whether path leads through the link at that place, and what it
// goes on to say behind it. The link itself need not exist yet.
func behind(path, link string) (rest string, through bool) {
	steps, at, missing := links.Walk(path, nil)
	for _, s := range steps {
		if s.Link == link {
			return s.Behind, true
		}
	}
	if missing == "" {
		return "", false
	}
	return strings.CutPrefix(filepath.Join(at, missing)+"/", link+"/")
}
