package opcache_test

import (
	"testing"

	"relink/fcgi"
	"relink/opcache"
	"relink/php/probe"
	"relink/php/sandbox"
)

// doors puts the probe into all releases.
func (f *farm) doors() []probe.Door {
	f.t.Helper()
	secret, err := probe.EnsureSecret(f.t.TempDir())
	f.must(err)
	for _, version := range []string{"v1", "v2", "v3"} {
		f.must(secret.Install(f.release(version), ".", "app", f.server.AgentDir()))
	}
	var doors []probe.Door
	for _, site := range f.sites {
		doors = append(doors, secret.Door("app", f.server.URL()+"/", site+".test"))
	}
	return doors
}

// pinnedFarm has every worker, or the first half, on a connection of the web server.
func pinnedFarm(t *testing.T, web sandbox.Web, workers, pinned int) *farm {
	t.Helper()
	f := newFarm(t, farmOptions{sites: 3, Options: sandbox.Options{Web: web, EnableReuse: true,
		Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: workers}}}}}})
	f.heat("index.php")
	var slow []*slowRequest
	for range pinned {
		slow = append(slow, f.beginSlow("club1"))
	}
	for _, s := range slow {
		s.end(f)
	}
	return f
}

func TestPinnedWorkersAreReachedThroughDoors(t *testing.T) {
	for name, web := range map[string]sandbox.Web{"Apache": sandbox.WebApacheEvent, "nginx": sandbox.WebNginx} {
		t.Run(name, func(t *testing.T) {
			f := pinnedFarm(t, web, 6, 3)
			doors := f.doors()
			caches, err := opcache.Connect(f.ctx, f.pools(), opcache.Options{}, doors...)
			f.must(err)
			status, err := fcgi.Status(f.ctx, f.pools()[0].Address, f.pools()[0].StatusPath)
			f.must(err)
			for _, p := range status.Processes {
				t.Log(p.PID, p.State, p.RequestDuration)
			}
			pinned, err := caches.Pinned(f.ctx)
			f.must(err)
			t.Log(pinned)
		})
	}
}
