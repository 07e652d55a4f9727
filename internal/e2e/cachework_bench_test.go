package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
	"relink/opcache"
	"relink/php"
)

// BenchmarkCacheWork moves 30 instances between two releases of 301 files under a
// closed-loop load of 6 clients on 8 workers. It reports medians: the time from
// the first moved link to the last invalidation, the worst latency in a window
// around the cut-over, and the ratio of that to the worst latency of a window
// of the same length right before it, with nothing going on.
func BenchmarkCacheWork(b *testing.B) {
	for _, slow := range []bool{false, true} {
		b.Run(fmt.Sprintf("slow_request=%v", slow), func(b *testing.B) { benchmarkCacheWork(b, slow) })
	}
}

func benchmarkCacheWork(b *testing.B, slow bool) {
	bench := newBench(b)
	var cutover, worst, ratio, rate []float64
	from, to := "v1", "v2"
	for b.Loop() {
		calmFrom := time.Now()
		bench.pause(300 * time.Millisecond)
		calmTo := time.Now()
		took, switchFrom, switchTo := bench.flip(from, to, slow)
		result := bench.load.Result()
		calm, busy := result.Worst(calmFrom, calmTo), result.Worst(switchFrom, switchTo)
		cutover = append(cutover, ms(took))
		worst = append(worst, ms(busy))
		ratio = append(ratio, float64(busy)/float64(calm))
		rate = append(rate, float64(result.Requests)/result.End.Sub(result.Start).Seconds())
		from, to = to, from
	}
	result := bench.load.Stop()
	if result.Errors != 0 {
		b.Errorf("%d failed requests: %v", result.Errors, result.Described)
	}
	b.ReportMetric(median(cutover), "cutover-ms")
	b.ReportMetric(median(worst), "worst-ms")
	b.ReportMetric(median(ratio), "worst/calm")
	b.ReportMetric(median(rate), "requests/s")
	b.ReportMetric(0, "ns/op")
}

type bench struct {
	b      *testing.B
	ctx    context.Context
	server *sandbox.Server
	load   *load.Load
	root   string
	links  []string
	pools  []php.Pool
}

func newBench(b *testing.B) *bench {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	root, err := os.MkdirTemp("", "relink")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(root) })
	s := &bench{b: b, ctx: ctx, root: root}
	s.must(os.Chmod(root, 0o755))
	light, err := synthetic(ctx, root)
	s.must(err)
	for _, version := range []string{"v1", "v2"} {
		s.must(os.MkdirAll(filepath.Join(root, version), 0o755))
		s.must(exec.Command("sh", "-c", `git -C "$0" archive "$1" | tar -x -C "$2" && find "$2" -exec touch -d '1 hour ago' {} +`,
			light.Repository, version, filepath.Join(root, version)).Run())
	}
	var sites []sandbox.Site
	var hosts []string
	for i := range 30 {
		link := filepath.Join(root, fmt.Sprintf("club%d", i))
		s.links = append(s.links, link)
		s.must(os.Symlink(filepath.Join(root, "v1"), link))
		hosts = append(hosts, fmt.Sprintf("club%d.test", i))
		sites = append(sites, sandbox.Site{Host: hosts[i], DocumentRoot: filepath.Join(link, light.DocRoot)})
	}
	s.server, err = sandbox.Start(ctx, sandbox.Options{Sites: sites})
	s.must(err)
	b.Cleanup(func() { s.server.Stop() })
	for _, p := range s.server.Pools() {
		address, err := fcgi.ParseAddress(p.Address)
		s.must(err)
		s.pools = append(s.pools, php.Pool{Address: address, StatusPath: p.StatusPath, AgentDir: s.server.AgentDir()})
	}
	s.load, err = load.Run(ctx, load.Options{URL: s.server.URL(), Hosts: hosts, Paths: light.Paths, Clients: 6, Release: light.Release})
	s.must(err)
	s.pause(time.Second)
	return s
}

func (s *bench) must(err error) {
	s.b.Helper()
	if err != nil {
		s.b.Fatal(err)
	}
}

// pause lets the load run.
func (s *bench) pause(d time.Duration) { <-time.After(d) }

// flip does all the cache work of one deploy. The window ends a little after
// the cut-over: what it does to running requests shows then.
func (s *bench) flip(from, to string, slow bool) (cutover time.Duration, begin, end time.Time) {
	s.b.Helper()
	done := make(chan error, 1)
	if slow {
		go func() {
			done <- exec.CommandContext(s.ctx, "curl", "-sf", "-H", "Host: club1.test", s.server.URL()+"/slow.php?s=2").Run()
		}()
		s.pause(200 * time.Millisecond)
	} else {
		done <- nil
	}
	var links []opcache.Link
	for i, link := range s.links {
		links = append(links, opcache.Link{Name: fmt.Sprintf("club%d", i), Path: link, From: filepath.Join(s.root, from), To: filepath.Join(s.root, to)})
	}
	caches, err := opcache.Connect(s.ctx, s.pools, opcache.Options{Timeouts: config.Timeouts{Call: 10 * time.Second, Sweep: 100 * time.Millisecond, Settle: 30 * time.Second},
		Warm: config.Warm{Workers: 1, Slice: 20 * time.Millisecond, Pause: 20 * time.Millisecond}})
	s.must(err)
	begin = time.Now()
	cut, err := caches.Observe(s.ctx, links, opcache.Keyed)
	s.must(err)
	_, err = cut.Warm(s.ctx, nil)
	s.must(err)
	for _, l := range links {
		s.must(os.Symlink(l.To, l.Path+".new"))
	}
	first := time.Now()
	for _, l := range links {
		s.must(os.Rename(l.Path+".new", l.Path))
	}
	_, err = cut.Sweep(s.ctx)
	s.must(err)
	invalidated, err := cut.Invalidate(s.ctx)
	s.must(err)
	s.pause(100 * time.Millisecond)
	end = time.Now()
	_, err = cut.Settle(s.ctx, nil)
	s.must(err)
	_, err = cut.Retire(s.ctx, []string{filepath.Join(s.root, from)})
	s.must(err)
	s.must(<-done)
	return invalidated.Last.Sub(first), begin, end
}
