package webserver_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/php/sandbox"
	"relink/php/webserver"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const patience = 60 * time.Second

func bound(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// below keeps the sites whose document root lies in folder: other servers may
// run on this machine.
func below(t *testing.T, folder string, sites []webserver.Site) (own []webserver.Site) {
	t.Helper()
	for _, site := range sites {
		if rel, err := filepath.Rel(folder, site.DocumentRoot); err == nil && filepath.IsLocal(rel) {
			own = append(own, site)
		}
	}
	return own
}

func TestDiscoverApache(t *testing.T) {
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	www := filepath.Join(root, "www")
	server, err := sandbox.Start(bound(t), sandbox.Options{
		Root:  filepath.Join(root, "srv"),
		Sites: []sandbox.Site{{Host: "club1.example.org", DocumentRoot: filepath.Join(www, "club 1", "public")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	sites, notes, err := webserver.Discover(bound(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []webserver.Site{{
		Server: webserver.Apache, Hosts: []string{"club1.example.org"}, URL: server.URL() + "/",
		DocumentRoot: filepath.Join(www, "club 1", "public"),
		Handler:      webserver.FPM, Pool: server.Pools()[0].Address, Sends: webserver.Literal,
	}}
	if diff := cmp.Diff(want, below(t, www, sites), cmpopts.IgnoreFields(webserver.Site{}, "PID", "From")); diff != "" {
		t.Errorf("%s\nnotes: %q", diff, notes)
	}
}
