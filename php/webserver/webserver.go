// Package webserver tells which hosts the running web servers serve, from which
// document root, by which PHP.
package webserver

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"relink/internal/links"
)

// Site is one virtual host of Apache, or one server block of nginx.
type Site struct {
	Server       string   // Apache or Nginx
	PID          int      // of the server's first process
	Hosts        []string // the main name first; wildcards as they are configured
	URL          string   // reaches it on this machine, by loopback where it listens there; "" if nothing does
	DocumentRoot string   // literal, as configured; with %0 or $host it is a pattern
	Handler      string   // ModPHP, FPM or "", which is no PHP
	Pool         string   // of FPM: unix:/run/php/php8.2-fpm.sock or tcp:127.0.0.1:9000; "" if that cannot be told
	From         string   // file:line where it begins
}

// What serves a site.
const (
	Apache = "apache"
	Nginx  = "nginx"
)

// What runs a site's PHP.
const (
	ModPHP = "mod_php"
	FPM    = "fpm"
)

// Discover reads the configuration of every Apache and nginx that runs here as
// root or as the caller, by the server's own binary. Notes tell, one line each,
// what could not be read and why: another user's server is no error. Each server has 20 s
// for that, and may print 32 MiB.
func Discover(ctx context.Context) (sites []Site, notes []string, err error) {
	servers, notes, err := find(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range servers {
		found, err := s.sites(ctx)
		switch {
		case ctx.Err() != nil:
			return sites, notes, ctx.Err()
		case err != nil && s.ended():
			continue
		case err != nil:
			notes = append(notes, fmt.Sprintf("%s: %v", s, err))
		}
		sites = append(sites, found...)
	}
	return sites, notes, nil
}

// discovery is the time that the web servers have to tell their configuration.
const discovery = 5 * time.Second

// Addresses gives what finds the address at which a running web server serves what
// is behind a link; "" where none is known to. The web servers are looked for at
// its first call. All of them have 5 s for that.
func Addresses(ctx context.Context) func(link, docroot string) (url, host string) {
	sites := sync.OnceValue(func() []Site {
		ctx, cancel := context.WithTimeout(ctx, discovery)
		defer cancel()
		sites, _, _ := Discover(ctx) // what cannot be found out is not known; "relink status" tells why
		return sites
	})
	return func(link, docroot string) (url, host string) { return addressOf(sites(), link, docroot) }
}

func addressOf(sites []Site, link, docroot string) (url, host string) {
	for _, c := range Match(sites, []Link{{Path: link, Docroot: docroot}}) {
		if c.Site.URL != "" && c.Site.Handler != "" && c.Behind == filepath.Clean(docroot) {
			return c.Site.URL, c.Host
		}
	}
	return "", ""
}

// SamePool tells whether two addresses lead to one pool: Debian's /var/run is a
// link to /run, and its /run/php/php-fpm.sock one to the socket of the PHP that
// was chosen.
func SamePool(a, b string) bool { return a == b || canonical(a) == canonical(b) }

func canonical(address string) string {
	path, isUnix := strings.CutPrefix(address, "unix:")
	if !isUnix {
		return strings.Replace(address, "localhost", "127.0.0.1", 1)
	}
	return links.RealFolder(path)
}
