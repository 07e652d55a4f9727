// Package webserver tells which hosts the running web servers serve, from which
// document root, by which PHP.
package webserver

import (
	"context"
	"fmt"
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
	Sends        string   // Real, Literal or "", which is no PHP
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

// How PHP is told the path of a script: without links in it, or as configured.
const (
	Real    = "real"
	Literal = "literal"
)

// Discover reads the configuration of every Apache and nginx that runs here as
// root or as the caller, by the server's own binary. Notes tell, one line each,
// what could not be read and why: another user's server is no error.
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
