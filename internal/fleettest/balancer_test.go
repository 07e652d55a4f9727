package fleettest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"relink/internal/sandbox/load"
)

// balance is a small balancer: it asks each host's /readyz ten times a second, and gives
// requests to those that are ready, in turn.
func (f *farm) balance() *httptest.Server {
	f.t.Helper()
	var ready atomic.Pointer[[]*url.URL]
	look := func() {
		var urls []*url.URL
		for _, h := range f.hosts {
			if h.ready() {
				urls = append(urls, &url.URL{Scheme: "http", Host: h.Address + ":" + webPort})
			}
		}
		ready.Store(&urls)
	}
	look()
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		ticks := time.NewTicker(100 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				look()
			case <-done:
				return
			}
		}
	})
	var turn atomic.Int64
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			urls := *ready.Load()
			if len(urls) == 0 {
				r.Out.URL.Host = "no-host-is-ready.invalid"
				r.Out.URL.Scheme = "http"
				return
			}
			host := r.In.Host
			r.SetURL(urls[int(turn.Add(1))%len(urls)])
			r.Out.Host = host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
	})
	f.t.Cleanup(func() {
		close(done)
		looking.Wait()
		server.Close()
	})
	return server
}

// beginLoad has clients ask all sites through the balancer.
func (f *farm) beginLoad(clients int) *load.Load {
	f.t.Helper()
	var hosts []string
	for _, site := range f.sites {
		hosts = append(hosts, site+".test")
	}
	l, err := load.Run(f.ctx, load.Options{URL: f.balance().URL, Hosts: hosts, Paths: f.line.Paths, Clients: clients, Release: f.line.Release, Pause: 5 * time.Millisecond})
	f.must(err)
	f.t.Cleanup(func() { l.Stop() })
	return l
}
