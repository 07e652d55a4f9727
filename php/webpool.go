package php

import (
	"fmt"
	"net/url"
	"strings"

	"relink/fcgi"
	"relink/internal/proc"
)

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
