package webserver

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"relink/internal/links"
)

// discovery is the time that the web servers have to tell their configuration.
const discovery = 5 * time.Second

// Addresses gives what finds the address at which a running web server serves what
// is behind a link; "" where none is known to. The web servers are looked for at
// its first call.
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
