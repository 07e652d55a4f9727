package status

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/apps"
	"relink/internal/config"
	"relink/opcache"
	"relink/php/webserver"

	"github.com/google/go-cmp/cmp"
)

// knownCaches are caches of which only the figures are asked.
type knownCaches struct {
	usages []opcache.Usage
}

func (c knownCaches) Footprints(context.Context, []string) (map[string]opcache.Footprint, error) {
	return nil, nil
}

func (c knownCaches) Usage(context.Context) ([]opcache.Usage, error) { return c.usages, nil }

func TestStatusLeadsFromHostToCache(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := apps.App{App: config.App{Name: "booking", Releases: filepath.Join(root, "releases"), Docroot: "public"}, State: filepath.Join(root, "state")}
	if err := os.MkdirAll(filepath.Join(app.Releases, "20261123T054127Z-v2", "public"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"club1", "club2", "club3"} {
		app.Instances = append(app.Instances, config.Instance{Name: name, Link: filepath.Join(root, name)})
		if err := os.Symlink(filepath.Join(app.Releases, "20261123T054127Z-v2"), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	site := func(host, root string) webserver.Site {
		return webserver.Site{Server: webserver.Apache, PID: 812, Hosts: []string{host}, URL: "http://127.0.0.1/", DocumentRoot: root, From: "/etc/a.conf:1"}
	}
	one, two := site("a.example.org", filepath.Join(root, "club1/public")), site("b.example.org", filepath.Join(root, "club2/public"))
	one.Handler, one.Pool = webserver.FPM, "unix:/run/php/a.sock"
	two.Handler = webserver.ModPHP
	discover := func(context.Context) ([]webserver.Site, []string, error) {
		return []webserver.Site{one, two, site("c.example.org", filepath.Join(root, "elsewhere"))}, []string{"nginx 99: not ours"}, context.DeadlineExceeded
	}
	started := time.Date(2026, 11, 23, 5, 41, 0, 0, time.UTC)
	caches := knownCaches{[]opcache.Usage{
		{Pools: []string{"http://127.0.0.1/"}, Apache: true, PID: 813},
		{Pools: []string{"http://127.0.0.1/"}, Apache: true, PID: 812, Started: started},
		{Pools: []string{"unix:/run/php/b.sock", "unix:/run/php/a.sock"}, PID: 4700, Started: started},
	}}
	status, err := Read(context.Background(), app, func(context.Context) (Figures, error) { return caches, nil }, discover)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]Site{
		{{Host: "a.example.org", DocumentRoot: one.DocumentRoot, From: one.From, Server: "apache", ServerPID: 812, Handler: "fpm", Pool: one.Pool, OPcache: &CacheOfSite{4700, started}}},
		{{Host: "b.example.org", DocumentRoot: two.DocumentRoot, From: two.From, Server: "apache", ServerPID: 812, Handler: "mod_php", OPcache: &CacheOfSite{812, started}}},
		{},
	}
	for i, instance := range status.Instances {
		if diff := cmp.Diff(want[i], instance.Sites); diff != "" {
			t.Errorf("%s: %s", instance.Name, diff)
		}
	}
	if len(status.Notes) != 2 || status.Cache != "" {
		t.Errorf("notes %q, cache %q", status.Notes, status.Cache)
	}
}

// Without a web server, and without a pool, the links are told all the same.
func TestStatusWithoutServers(t *testing.T) {
	app := apps.App{App: config.App{Name: "booking", Releases: t.TempDir(), Instances: []config.Instance{{Name: "club1", Link: filepath.Join(t.TempDir(), "club1")}}}, State: t.TempDir()}
	nobody := func(context.Context) ([]webserver.Site, []string, error) { return nil, nil, nil }
	status, err := Read(context.Background(), app, func(context.Context) (Figures, error) { return nil, errors.New("no pool") }, nobody)
	if err != nil || len(status.Instances) != 1 || status.served() || status.Cache != "no pool" {
		t.Errorf("%+v %v", status, err)
	}
}
