package opcache_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/opcache"
	"relink/php/probe"
)

const (
	waitingWorkers = 4
	looksAtPool    = 20 // while relink waits
	longEnough     = 500 * time.Millisecond
)

// A worker inside of a long request is waited for by looking at the status page. Nobody
// is asked meanwhile, for each call would keep another worker from the visitors.
func TestWaitingForALongRequestKeepsNoWorker(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{Options: sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: waitingWorkers}}}}}})
	web := countCalls(f)
	caches, err := opcache.Connect(f.ctx, f.pools(), ordinary(opcache.Options{}), unasked(web.doors)...)
	f.must(err)
	links := f.links("v1", "v2")
	s, err := caches.Observe(f.ctx, links, opcache.Revalidated)
	f.must(err)
	slow := f.beginSlow("club1")
	f.move(links)
	others := make(chan struct{}, 1)
	settled := make(chan opcache.SettleResult, 1)
	go func() {
		result, err := s.Settle(f.ctx, func(done, total int) {
			if done == total-1 {
				select {
				case others <- struct{}{}:
				default:
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
		settled <- result
	}()
	<-others
	f.awaitPool(func(now fcgi.PoolStatus) bool {
		return slices.ContainsFunc(now.Processes, func(w fcgi.Process) bool { return w.State == fcgi.StateRunning && w.RequestDuration > longEnough })
	})
	before := web.calls.Load()
	first, own := int64(-1), int64(0)
	f.awaitPool(func(now fcgi.PoolStatus) bool {
		if own++; first < 0 {
			first = now.AcceptedConn
		}
		return now.AcceptedConn-first-own >= looksAtPool
	})
	if n := web.calls.Load() - before; n > 0 {
		t.Errorf("%d calls through the web server in the wait", n)
	}
	slow.end(f)
	if result := <-settled; result.Workers != waitingWorkers || len(result.Stale) > 0 {
		t.Errorf("%+v", result)
	}
}

// counted are doors, and how many calls were made through them.
type counted struct {
	doors []probe.Door
	calls atomic.Int64
}

// countCalls puts a proxy before the web server.
func countCalls(f *farm) *counted {
	f.t.Helper()
	secret, err := probe.EnsureSecret(f.t.TempDir())
	f.must(err)
	for _, version := range []string{"v1", "v2"} {
		f.must(secret.Install(f.release(version), ".", "app", f.server.AgentDir()))
	}
	to, err := url.Parse(f.server.URL())
	f.must(err)
	c := &counted{}
	behind := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.calls.Add(1)
		behind.ServeHTTP(w, r)
	}))
	f.t.Cleanup(proxy.Close)
	for _, site := range f.sites {
		c.doors = append(c.doors, secret.Door("app", proxy.URL+"/", site+".test"))
	}
	return c
}
