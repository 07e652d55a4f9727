package webserver

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// nginxServers are the server blocks.
func nginxServers(all []directive, pid int) (sites []Site) {
	for _, http := range named(all, "http") {
		outer := nginxScope{}.within(http.children)
		for _, d := range named(http.children, "server") {
			sites = append(sites, nginxSite(d, outer, pid))
		}
	}
	return sites
}

func nginxSite(d directive, outer nginxScope, pid int) Site {
	scope := outer.within(d.children)
	site := Site{Server: Nginx, PID: pid, From: d.from(), Hosts: nginxHosts(d.children), URL: nginxURL(d.children), DocumentRoot: scope.root}
	if php, found := phpLocation(d.children, scope); found {
		site.Handler, site.Pool, site.DocumentRoot = FPM, php.pool(), php.root
	}
	return site
}

// nginxHosts leaves out regular expressions and what matches no name ("_", "").
func nginxHosts(list []directive) (hosts []string) {
	for _, d := range named(list, "server_name") {
		for _, name := range d.args {
			if name != "" && name != "_" && name[0] != '~' {
				hosts = append(hosts, name)
			}
		}
	}
	return hosts
}

func nginxURL(list []directive) string {
	var listens []listen
	for _, d := range named(list, "listen") {
		if l, ok := parseListen(d.arg(0), 80); ok && !strings.HasPrefix(d.arg(0), "unix:") {
			l.tls = slices.Contains(d.args, "ssl")
			listens = append(listens, l)
		}
	}
	if _, found := last(list, "listen"); !found {
		listens = []listen{{port: 80}}
	}
	tls, _ := last(list, "ssl") // of nginx before 1.25: for all addresses
	return reach(listens, tls == "on")
}

// nginxScope is what a block inherits.
type nginxScope struct {
	root      string
	pass      string
	upstreams map[string]string // one server of each
}

func (s nginxScope) within(list []directive) nginxScope {
	if root, found := last(list, "root"); found {
		s.root = root
		if !filepath.IsAbs(root) && !strings.HasPrefix(root, "$") {
			s.root = "" // below a prefix that is compiled in
		}
	}
	for _, d := range named(list, "upstream") {
		if member, found := last(d.children, "server"); found {
			if s.upstreams == nil {
				s.upstreams = map[string]string{}
			}
			s.upstreams[d.arg(0)] = member
		}
	}
	s.pass, _ = last(list, "fastcgi_pass") // not inherited
	return s
}

// phpLocation is the location that script comes to, or else the first one that
// passes anything to FastCGI.
func phpLocation(list []directive, scope nginxScope) (php nginxScope, found bool) {
	if scope.pass != "" {
		return scope, true
	}
	sure := false
	for _, d := range list {
		if d.name != "location" && d.name != "if" {
			continue
		}
		inner, passes := phpLocation(d.children, scope.within(d.children))
		if !passes {
			continue
		}
		if fits := locationFits(d.args); !found || fits && !sure {
			php, found, sure = inner, true, fits
		}
	}
	return php, found
}

func locationFits(args []string) bool {
	if len(args) == 1 {
		return strings.HasPrefix(script, args[0])
	}
	if len(args) != 2 {
		return false
	}
	switch args[0] {
	case "=":
		return args[1] == script
	case "^~":
		return strings.HasPrefix(script, args[1])
	case "~":
		return match(args[1], script)
	case "~*":
		return match("(?i)"+args[1], script)
	}
	return false
}

// pool reads "unix:/run/x.sock", "127.0.0.1:9000" and the name of an upstream.
func (s nginxScope) pool() string {
	pass := s.pass
	if member, found := s.upstreams[pass]; found {
		pass = member
	}
	if socket, ok := strings.CutPrefix(pass, "unix:"); ok {
		socket = strings.TrimSuffix(socket, ":")
		if !filepath.IsAbs(socket) || strings.Contains(socket, "$") {
			return ""
		}
		return "unix:" + filepath.Clean(socket)
	}
	host, port, err := net.SplitHostPort(pass)
	if err != nil || strings.Contains(pass, "$") {
		return ""
	}
	return "tcp:" + net.JoinHostPort(host, port)
}
