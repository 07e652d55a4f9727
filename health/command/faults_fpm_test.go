package command

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"relink/health"
	"relink/health/gather"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/opcache/report"
)

func TestPoolThatIsDownHidesNoOther(t *testing.T) {
	s := newScene(t, sound("one", sandbox.Pool{Name: "www", Workers: 2}), sound("two", sandbox.Pool{Name: "shop", Workers: 2}))
	s.must(s.server.StopMaster("one"))
	results := s.evaluate()
	s.fires(results, "pool", health.Critical, "www.sock", "nothing listens")
	s.fires(results, "pool", health.OK, "shop.sock")
	s.fires(results, "memory", health.Unknown, "www.sock")
	s.fires(results, "old-release", health.Unknown, "OPcache of", "www.sock cannot be asked")
	s.fires(results, "memory", health.OK, "shop.sock")
	if health.Worst(results) != health.Critical {
		t.Error(health.Worst(results))
	}
	s.must(s.server.StartMaster(s.ctx, "one"))
	s.quiet(s.evaluate())
}

func TestPoolThatHangsIsBounded(t *testing.T) {
	s := newScene(t, sound("one", sandbox.Pool{Name: "www", Workers: 2}), sound("two", sandbox.Pool{Name: "shop", Workers: 2}))
	wake := s.stopWorkers("www")
	s.deps.Timeout = 500 * time.Millisecond
	results := s.evaluate()
	s.fires(results, "pool", health.Critical, "www.sock", "no answer in time")
	s.fires(results, "pool", health.OK, "shop.sock")
	s.fires(results, "keys", health.OK, "shop.sock")
	wake()
	s.deps.Timeout = timeout
	s.quiet(s.evaluate(), "pool")
}

func TestNoPool(t *testing.T) {
	s := newScene(t)
	s.deps.Pools = nil
	facts := health.Facts{Time: time.Now()}
	s.fires(health.Evaluate(facts, s.limits), "pool", health.Critical, "no PHP-FPM runs here")
	facts.Discovery = fmt.Errorf("FPM master 7: not readable")
	s.fires(health.Evaluate(facts, s.limits), "pool", health.Unknown, "not readable")
}

// A queue forms when nobody accepts. FPM itself reports 0 for a unix socket.
func TestListenQueue(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		s := newScene(t, sound("php", sandbox.Pool{Name: "www", Workers: 1, TCP: tcp}))
		s.fires(s.evaluate(), "listen-queue", health.OK)
		if tcp {
			continue // while its only worker hangs nobody tells the queue of a TCP pool
		}
		s.stopWorkers("www")
		for range 8 {
			network, address, _ := strings.Cut(s.server.Pool("www").Address, ":")
			conn, err := (&net.Dialer{}).DialContext(s.ctx, network, address)
			s.must(err)
			defer conn.Close()
		}
		s.deps.Timeout = 200 * time.Millisecond
		results := s.evaluate()
		s.fires(results, "listen-queue", health.Warning, "connections waiting", "more than 5")
		s.limits.Bounds["listen_queue"] = config.Bounds{Warning: 5, Critical: 6}
		s.fires(s.evaluate(), "listen-queue", health.Critical)
	}
}

func TestMaxChildren(t *testing.T) {
	s := newScene(t, sound("php", sandbox.Pool{Name: "www", Workers: 1, Settings: map[string]string{"pm": "ondemand", "pm.process_idle_timeout": "60s"}}))
	now := gather.Facts(s.ctx, s.deps)
	s.deps.Samples = gather.Folder(s.path("state", "earlier"))
	s.must(s.deps.Samples.Add(gather.Sample{ // FPM tells of the first time only, which may have been before now
		Totals: report.Sample{Time: now.Time.Add(-time.Minute)}.Totals(nil), Pools: map[string]gather.PoolCounters{now.Pools[0].Address: {Started: now.Pools[0].Status.StartTime}},
	}, window))
	end := s.slow("www")
	waiting := make(chan error, 1)
	go func() {
		_, err := s.request(context.Background(), "www", s.path("releases", "v1", "page.php"), "")
		waiting <- err
	}()
	s.await("the warning of FPM", func() bool { return strings.Contains(s.log(), "max_children") })
	end()
	s.must(<-waiting)
	results := s.evaluate()
	s.fires(results, "max-children", health.Warning, "pm.max_children reached 1 time")
	s.quiet(results, "max-children")
}

func (s *scene) log() string { return readFile(s.t, s.server.FPMLog()) }

func TestSlowRequests(t *testing.T) {
	pool := sandbox.Pool{Name: "www", Workers: 2, Settings: map[string]string{"request_slowlog_timeout": "1s", "slowlog": "/dev/null"}}
	s := newScene(t, sound("php", pool))
	s.evaluate()
	end := s.slow("www")
	s.await("a slow request", func() bool {
		f := gather.Facts(s.ctx, s.deps)
		return f.Pools[0].Status != nil && f.Pools[0].Status.SlowRequests > 0
	})
	end()
	s.fires(s.evaluate(), "slow-requests", health.Warning, "1 request slow")
}

func TestLatency(t *testing.T) {
	s := newScene(t)
	s.limits.Bounds["latency"] = config.Bounds{Warning: 1e-9, Critical: 3600}
	s.fires(s.evaluate(), "pool", health.Warning, "answers in", "more than")
	s.limits.Bounds["latency"] = config.Bounds{Warning: 1e-9, Critical: 2e-9}
	s.fires(s.evaluate(), "pool", health.Critical)
}
