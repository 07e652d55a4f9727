package fleettest

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"relink/internal/sandbox/load"
)

// balancer is a small one: it asks each host's /readyz ten times a second, and gives requests
// to those that are ready, in turn. As usual ones do it asks another host where one that is
// down has not answered; a host that is not down, as the test knows, has to.
type balancer struct {
	fleet *farm
	ready []atomic.Bool // of each host
	turn  atomic.Int64
	ways  http.Transport
	again atomic.Int64 // requests that were asked of another host
}

// balance runs one.
func (f *farm) balance() (*balancer, *httptest.Server) {
	f.t.Helper()
	b := &balancer{fleet: f, ready: make([]atomic.Bool, len(f.hosts)), ways: http.Transport{
		MaxIdleConnsPerHost: 32, DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}}
	ctx, cancel := context.WithCancel(f.ctx)
	var looking sync.WaitGroup
	for i, h := range f.hosts {
		b.ready[i].Store(h.ready())
		looking.Go(func() {
			ticks := time.NewTicker(100 * time.Millisecond)
			defer ticks.Stop()
			for {
				select {
				case <-ticks.C:
					b.ready[i].Store(h.ready())
				case <-ctx.Done():
					return
				}
			}
		})
	}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.Host = "http", r.In.Host
		},
		Transport: b,
	})
	f.whole.Cleanup(func() {
		cancel()
		looking.Wait()
		server.Close()
		b.ways.CloseIdleConnections()
	})
	return b, server
}

// pick is the next host that is ready; where none is, the next.
func (b *balancer) pick() *host {
	for range b.ready {
		if i := int(b.turn.Add(1)) % len(b.ready); b.ready[i].Load() {
			return b.fleet.hosts[i]
		}
	}
	return b.fleet.hosts[int(b.turn.Add(1))%len(b.ready)]
}

func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		h, began := b.pick(), time.Now()
		r.URL.Host = net.JoinHostPort(h.Address, webPort)
		answer, err := b.whole(r)
		if err == nil || r.Context().Err() != nil || !h.wasGone(began) {
			return answer, err
		}
		b.again.Add(1)
	}
}

// whole reads an answer to its end, so that one that breaks off can be asked for again.
func (b *balancer) whole(r *http.Request) (*http.Response, error) {
	answer, err := b.ways.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}

// down notes that the test has taken a host from its visitors, or given it back.
func (h *host) down(is bool) {
	until := int64(math.MaxInt64)
	if !is {
		until = time.Now().UnixNano()
	}
	h.gone.Store(until)
}

// wasGone tells whether the host was down at that time, or later.
func (h *host) wasGone(since time.Time) bool { return h.gone.Load() >= since.UnixNano() }

// beginLoad has clients ask all sites through a balancer.
func (f *farm) beginLoad(clients int) (*load.Load, *balancer) {
	f.t.Helper()
	var hosts []string
	for _, site := range f.sites {
		hosts = append(hosts, site+".test")
	}
	b, server := f.balance()
	l, err := load.Run(f.ctx, load.Options{URL: server.URL, Hosts: hosts, Paths: f.line.Paths, Clients: clients, Release: f.line.Release, Pause: 20 * time.Millisecond})
	f.must(err)
	f.whole.Cleanup(func() { l.Stop() })
	return l, b
}
