package probe

import (
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

// perConnection is how many requests are made over one connection: a new one for each
// costs twice the time, and by one for all an Apache with mod_php answers by the same
// process each time.
const perConnection = 10

// Line asks one site after the other, over a connection that it keeps for a while.
type Line struct {
	dial  Dial
	kept  *http.Transport
	asked int // over this connection
}

// Over does something for each of n sites, as many at the same time, each with a line that
// nobody else uses meanwhile, and that dials so.
func Over(n, atOnce int, dial Dial, do func(i int, by *Line)) {
	lines := make(chan *Line, atOnce)
	for range atOnce {
		lines <- &Line{dial: dial, kept: transport(dial)}
	}
	var group errgroup.Group
	for i := range n {
		by := <-lines
		group.Go(func() error {
			do(i, by)
			lines <- by
			return nil
		})
	}
	_ = group.Wait() // none fails: what went wrong stands with what it is of
	for range atOnce {
		(<-lines).end()
	}
}

// Client makes one request to a URL: as the host, "" for that of the URL. It keeps no
// connection that TLS has bound to the name of one site.
func (l *Line) Client(url, host string) *http.Client {
	if !strings.HasPrefix(url, "http://") {
		return once(l.dial, host)
	}
	if l.asked == perConnection {
		l.end()
		l.asked = 0
	}
	l.asked++
	return clientBy(l.kept)
}

func (l *Line) end() { l.kept.CloseIdleConnections() }

// once makes a connection for each request.
func once(dial Dial, host string) *http.Client {
	own := transport(dial)
	own.DisableKeepAlives = true
	own.DialTLSContext = DialTLS(host, dial)
	return clientBy(own)
}

// clientBy knows no proxy, follows no redirect and asks for no compression: it is about this
// server, and what a redirect leads to may be another one.
func clientBy(way *http.Transport) *http.Client {
	return &http.Client{
		Transport:     way,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func transport(dial Dial) *http.Transport {
	return &http.Transport{DialContext: dial, DisableCompression: true, MaxResponseHeaderBytes: headerLimit}
}
