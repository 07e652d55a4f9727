package webserver

import (
	"context"
	"path/filepath"
	"sync"
	"time"
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
