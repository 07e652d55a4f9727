package php

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/proc"
	"relink/internal/realpath"
	"relink/php/probe"
)

// DefaultAgentDir is where the agent is installed when a pool names no folder.
const DefaultAgentDir = "/var/lib/relink"

// Pool is one FPM pool, or the PHP inside of a web server, as relink reaches it.
type Pool struct {
	Name       string // as FPM knows it; empty when it was configured by address only
	Address    fcgi.Address
	StatusPath string  // pm.status_path; empty when the pool has none
	AgentDir   string  // a folder as the host sees it; empty means DefaultAgentDir
	PathMap    PathMap // for a pool in a chroot or a container

	// Door is the way to PHP through the web server: the only one where there is
	// no Address, as with mod_php.
	Door *probe.Door
	// Apache is the pid of the Apache that such a PHP is a part of, where this
	// machine shows it; else 0.
	Apache int
	// Threads: such a PHP answers in threads of the web server, which nobody can list.
	Threads bool
}

// String names the pool by where it is called.
func (p Pool) String() string {
	if p.InWebServer() {
		return p.webName()
	}
	return p.Address.String()
}

// PathMap says which folders of the host a pool sees as which of its own, and
// translates paths between the two. The longest matching folder wins, whole path
// elements only; a path that none matches stays as it is.
type PathMap []config.PathMapping

// ToPool gives the path under which the pool sees the host's path.
func (m PathMap) ToPool(host string) string {
	longest, translated := -1, host
	for _, entry := range m {
		folder := strings.TrimRight(entry.Host, "/")
		if rest, ok := below(host, folder); ok && len(folder) > longest {
			longest, translated = len(folder), cmp.Or(strings.TrimRight(entry.Pool, "/")+rest, "/")
		}
	}
	return translated
}

// ToHost gives the path under which the host sees the pool's path.
func (m PathMap) ToHost(pool string) string {
	var inverse PathMap
	for _, entry := range m {
		inverse = append(inverse, config.PathMapping{Host: entry.Pool, Pool: entry.Host})
	}
	return inverse.ToPool(pool)
}

// Real adds, for each folder of the host that is reached through a link, the real
// one: OPcache and relink know files by their real path.
func (m PathMap) Real() PathMap {
	var all PathMap
	for _, entry := range m {
		if real, err := realpath.Of(entry.Host); err == nil && real != strings.TrimRight(entry.Host, "/") {
			all = append(all, config.PathMapping{Host: real, Pool: entry.Pool}) // before the other, so that ToHost gives it
		}
		all = append(all, entry)
	}
	return all
}

// below gives what follows folder in path, with its leading slash or empty.
func below(path, folder string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, folder)
	if rest == "/" {
		rest = ""
	}
	return rest, ok && (rest == "" || rest[0] == '/')
}

// InWebServer tells whether only the web server leads to this PHP (mod_php).
func (p Pool) InWebServer() bool { return p.Address == (fcgi.Address{}) && p.Door != nil }

// webName names the Apache, not the site through which it is reached: that may be
// another one the next time.
func (p Pool) webName() string {
	if p.Apache == 0 {
		return webPrefix + p.Door.String()
	}
	return fmt.Sprintf("%s%s%s%d)", webPrefix, p.Origin(), apachePrefix, p.Apache)
}

const webPrefix, apachePrefix = "mod_php ", " (Apache pid "

// SameApache tells whether two names are of one Apache, reached through sites with
// different addresses.
func SameApache(a, b string) bool {
	return apacheIn(a) != "" && apacheIn(a) == apacheIn(b)
}

func apacheIn(name string) string {
	rest, inside := strings.CutPrefix(name, webPrefix)
	_, apache, _ := strings.Cut(rest, apachePrefix)
	if !inside {
		return ""
	}
	return apache
}

// Origin is the address of the web server behind the door.
func (p Pool) Origin() string {
	at, err := url.Parse(p.Door.URL)
	if err != nil {
		return p.Door.URL
	}
	origin := url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/"}
	return origin.String()
}

// Ended tells whether the Apache of this pool has ended: what answers at its door
// now is another one.
func (p Pool) Ended() bool { return p.Apache != 0 && !proc.Alive(p.Apache) }
