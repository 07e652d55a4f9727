package opcache_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php/probe"
)

func init() {
	scripts["hold.php"] = `<?php touch($_GET['begun']); while (!file_exists($_GET['until'])) { usleep(2000); clearstatcache(); } echo "hold %[1]s ", getmypid();`
	scripts["pause.php"] = `<?php usleep(20000); echo "%[1]s";`
}

const pinnedWorkers = 6

// pinned is a farm whose web server keeps connections to some of the six workers.
type pinned struct {
	*farm
	state     string       // folder of the probe's secret
	doors     []probe.Door // of the sites
	elsewhere []probe.Door // of a site that another pool of the same master serves
}

// newPinned has as many requests at a time as workers are to be pinned.
func newPinned(t *testing.T, web sandbox.Web, n int) *pinned {
	t.Helper()
	apart, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(apart) })
	// By TCP: with enablereuse=on Apache takes unix sockets behind the same host name
	// (unix:...|fcgi://localhost) for one backend, and mixes the pools up.
	f := newFarm(t, farmOptions{sites: 3, Options: sandbox.Options{Web: web, EnableReuse: true,
		Sites:   []sandbox.Site{{Host: "elsewhere.test", DocumentRoot: apart, Pool: "other"}},
		Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: pinnedWorkers}, {Name: "other", Workers: 2, TCP: true}}}}}})
	state := t.TempDir()
	secret, err := probe.EnsureSecret(state)
	f.must(err)
	p := &pinned{farm: f, state: state, elsewhere: []probe.Door{secret.Door("app", f.server.URL()+"/", "elsewhere.test")}}
	for _, site := range f.sites {
		p.doors = append(p.doors, secret.Door("app", f.server.URL()+"/", site+".test"))
	}
	for _, docroot := range []string{apart, f.release("v1"), f.release("v2")} {
		f.must(secret.Install(docroot, ".", "app", f.server.AgentDir()))
	}
	p.pin(apart, n)
	return p
}

func (p *pinned) pin(dir string, n int) {
	p.t.Helper()
	p.must(os.Chmod(dir, 0o777))
	until := filepath.Join(dir, "until")
	bodies := make(chan string, n)
	for i := range n {
		begun := filepath.Join(dir, "begun"+itoa(i))
		go func() {
			body, err := p.fetch("club1", "hold.php?begun="+begun+"&until="+until)
			bodies <- fmt.Sprint(body, err)
		}()
	}
	for i := range n {
		p.await(filepath.Join(dir, "begun"+itoa(i)))
	}
	p.must(os.WriteFile(until, nil, 0o644))
	for range n {
		if body := <-bodies; !strings.HasPrefix(body, "hold v1 ") {
			p.t.Fatal(body)
		}
	}
}

func (p *pinned) await(file string) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			p.t.Fatalf("%s never came", file)
		}
	}
}

func (p *pinned) connect(doors []probe.Door) *opcache.Caches {
	p.t.Helper()
	caches, err := opcache.Connect(p.ctx, p.pools()[:1], ordinary(opcache.Options{}), unasked(doors)...)
	p.must(err)
	return caches
}

// unasked are doors that nobody has been at.
func unasked(doors []probe.Door) []probe.Heard {
	heard := make([]probe.Heard, len(doors))
	for i, door := range doors {
		heard[i] = probe.Heard{Door: door, Err: errors.New("nobody has asked")}
	}
	return heard
}

// closed are doors behind which nobody answers to relink.
func (p *pinned) closed() []probe.Door {
	closed := slices.Clone(p.doors)
	for i := range closed {
		closed[i].Token = strings.Repeat("0", 64)
	}
	return closed
}

// wantUnreached wants as many workers to be found out of reach.
func (p *pinned) wantUnreached(doors []probe.Door, n int) {
	p.t.Helper()
	unreached, err := p.connect(doors).Pinned(p.ctx)
	p.must(err)
	if len(unreached) != n {
		p.t.Errorf("out of reach: %+v, want %d workers", unreached, n)
	}
}

var keepingWebs = map[string]sandbox.Web{"Apache": sandbox.WebApacheEvent, "nginx": sandbox.WebNginx}

// Workers that belong to a connection of the web server are swept through it: half
// of them, or all, so that no other call is ever answered; and where a connection brings
// one visitor after the other, between two of them.
func TestPinnedWorkersAreReachedThroughDoors(t *testing.T) {
	t.Parallel()
	for name, web := range keepingWebs {
		for _, c := range []struct{ pinned, visitors int }{{pinnedWorkers / 2, 0}, {pinnedWorkers, 0}, {pinnedWorkers / 2, 2}} {
			t.Run(fmt.Sprintf("%s %+v", name, c), func(t *testing.T) {
				p := newPinned(t, web, c.pinned)
				if c.visitors > 0 {
					p.visit(c.visitors)
				}
				p.wantUnreached(p.doors, 0)
				caches := p.connect(p.doors)
				links := p.links("v1", "v2")
				s, err := caches.Observe(p.ctx, links, opcache.Keyed)
				p.must(err)
				p.move(links)
				cutOver(p.farm, s)
				if got := settle(p.farm, s); got.Workers != pinnedWorkers || len(got.Stale) != 0 || len(got.Unproven) != 0 {
					t.Errorf("settle: %+v, want all workers", got)
				}
				for _, site := range p.sites {
					p.expect(site, "index.php", "v2")
				}
			})
		}
	}
}

// visit has so many visitors, for whom a worker takes longer than one is away.
func (p *pinned) visit(n int) {
	p.t.Helper()
	visitors, err := load.Run(p.ctx, load.Options{URL: p.server.URL(), Hosts: []string{"club1.test"}, Paths: []string{"/pause.php"}, Clients: n})
	p.must(err)
	p.t.Cleanup(func() {
		if result := visitors.Stop(); result.Errors != 0 {
			p.t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
		}
	})
}

// Without a door that leads to them the workers are out of reach, as they are behind
// a site without a probe, and behind one of another pool with the same cache.
func TestPinnedWorkersWithoutADoor(t *testing.T) {
	t.Parallel()
	for name, web := range keepingWebs {
		t.Run(name, func(t *testing.T) {
			p := newPinned(t, web, pinnedWorkers/2)
			for _, doors := range [][]probe.Door{nil, p.closed(), p.elsewhere} {
				p.wantUnreached(doors, pinnedWorkers/2)
			}
		})
	}
}

func TestAllWorkersPinnedWithoutADoor(t *testing.T) {
	t.Parallel()
	p := newPinned(t, sandbox.WebApacheEvent, pinnedWorkers)
	for name, doors := range map[string][]probe.Door{"none": nil, "closed": p.closed(), "of another pool": p.elsewhere} {
		_, err := opcache.Connect(p.ctx, p.pools()[:1], ordinary(opcache.Options{Timeouts: config.Timeouts{Call: 2 * time.Second}}), unasked(doors)...)
		named := func(h string) bool { return strings.Contains(h, "enablereuse") && strings.Contains(h, "probe") }
		if !errors.Is(err, fcgi.ErrTimeout) || !slices.ContainsFunc(hint.Of(err), named) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The doors of other commands are those of the configuration. A cache whose workers
// are all pinned is restarted through them: an idle connection is no request.
func TestRestartThroughConfiguredDoors(t *testing.T) {
	t.Parallel()
	p := newPinned(t, sandbox.WebNginx, pinnedWorkers)
	setup := opcache.Setup{State: p.state, Options: ordinary(opcache.Options{}), Pools: p.pools()[:1], Apps: []opcache.App{{App: config.App{Name: "app"}}}}
	for i, door := range p.doors {
		setup.Apps[0].Instances = append(setup.Apps[0].Instances, config.Instance{Name: p.sites[i], Link: p.link(p.sites[i]), Probe: config.Probe{URL: door.URL, Host: door.Host}})
	}
	caches, err := setup.Connect(p.ctx, nil, opcache.Web{})
	p.must(err)
	before := p.usage(caches)
	p.restart(caches, now(restart.MethodOPcache))
	if after := p.usage(caches); after.Restarts != before.Restarts+1 {
		t.Errorf("%d restarts, then %d", before.Restarts, after.Restarts)
	}
}
