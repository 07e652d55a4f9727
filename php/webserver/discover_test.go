package webserver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/internal/sandbox"
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
		Handler:      webserver.FPM, Pool: server.Pools()[0].Address,
	}}
	if diff := cmp.Diff(want, below(t, www, sites), cmpopts.IgnoreFields(webserver.Site{}, "PID", "From")); diff != "" {
		t.Errorf("%s\nnotes: %q", diff, notes)
	}
}

// own discovers, and keeps the sites of one server.
func own(t *testing.T, pid int) (sites []webserver.Site) {
	t.Helper()
	all, notes, err := webserver.Discover(bound(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range all {
		if site.PID == pid {
			sites = append(sites, site)
		}
	}
	if len(sites) == 0 {
		t.Fatalf("nothing is found of %d; notes: %q", pid, notes)
	}
	return sites
}

func TestDiscoverApacheInDebiansLayout(t *testing.T) {
	l := lay(t, "apache.txtar")
	pid := l.run(t, l.apacheEnv(), "apache2", "-d", l.root, "-f", "apache2.conf", "-D", "FOREGROUND")
	const fpm = "unix:/run/php/php8.2-fpm.sock"
	want := []webserver.Site{
		{URL: l.url(1), DocumentRoot: l.path("www/html"), Handler: webserver.FPM, Pool: fpm},
		{URL: l.url(1), Hosts: []string{"club1.example.org", "www.club1.example.org", "*.club1.example.org"}, DocumentRoot: l.path("www/clubs/club1/public"), Handler: webserver.FPM, Pool: fpm},
		{URL: l.url(1), Hosts: []string{"club2.example.org", "www.club2.example.org", "*.club2.example.org"}, DocumentRoot: l.path("www/clubs/club2/public"), Handler: webserver.FPM, Pool: fpm},
		{URL: l.url(2), Hosts: []string{"mass.example.org", "*.mass.example.org"}, DocumentRoot: l.path("www/mass/%1/public"), Handler: webserver.FPM, Pool: "tcp:127.0.0.1:9000"},
		{URL: fmt.Sprintf("http://[::1]:%d/", l.ports[2]), Hosts: []string{"six.example.org"}, DocumentRoot: l.path("www/with space"), Handler: webserver.FPM, Pool: "tcp:[::1]:9001"},
		{URL: fmt.Sprintf("https://127.0.0.1:%d/", l.ports[3]), Hosts: []string{"club1.example.org"}, DocumentRoot: l.path("www/clubs/club1/public"), Handler: webserver.FPM, Pool: fpm},
		{URL: l.url(1), Hosts: []string{"map.example.org"}, DocumentRoot: l.path("www/releases"), Handler: webserver.FPM, Pool: fpm},
		{URL: l.url(1), Hosts: []string{"back.example.org"}, DocumentRoot: l.path("www/back")},
		{URL: l.url(1), Hosts: []string{"balanced.example.org"}, DocumentRoot: l.path("www/balanced"), Handler: webserver.FPM, Pool: "unix:/run/php/b.sock"},
		{URL: l.url(1), Hosts: []string{"none.example.org"}, DocumentRoot: l.path("www/none")},
	}
	for i := range want {
		want[i].Server, want[i].PID = webserver.Apache, pid
	}
	got := own(t, pid)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(webserver.Site{}, "From")); diff != "" {
		t.Error(diff)
	}
	if want := l.path("sites-enabled/000-default.conf") + ":1"; got[0].From != want {
		t.Errorf("the first site is from %s, want %s", got[0].From, want)
	}
}

func TestDiscoverModPHP(t *testing.T) {
	l := lay(t, "apache.txtar")
	l.write(t, "mods-enabled/all.load", `
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so
TypesConfig /dev/null
<FilesMatch ".+\.ph(?:ar|p|tml)$">
    SetHandler application/x-httpd-php
</FilesMatch>
`)
	for _, name := range []string{"sites-enabled/more.conf", "sites-enabled/club.conf", "conf-enabled/php8.2-fpm.conf"} {
		if err := os.Remove(l.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	pid := l.run(t, l.apacheEnv(), "apache2", "-d", l.root, "-f", "apache2.conf", "-D", "FOREGROUND")
	sites := own(t, pid)
	// The main server answers on the ports that no virtual host has.
	want := []webserver.Site{
		{Server: webserver.Apache, PID: pid, URL: l.url(1), DocumentRoot: l.path("www/html"), Handler: webserver.ModPHP},
		{Server: webserver.Apache, PID: pid, URL: l.url(2), DocumentRoot: sites[len(sites)-1].DocumentRoot, Handler: webserver.ModPHP},
	}
	if diff := cmp.Diff(want, sites, cmpopts.IgnoreFields(webserver.Site{}, "From")); diff != "" {
		t.Error(diff)
	}
}

func TestDiscoverNginx(t *testing.T) {
	l := lay(t, "nginx.txtar")
	pid := l.run(t, []string{"PATH=/usr/sbin:/usr/bin"}, "nginx", "-p", l.root, "-c", l.path("nginx.conf"), "-g", "daemon off;")
	want := []webserver.Site{
		{URL: l.url(1), DocumentRoot: l.path("www/html")},
		{URL: l.url(1), Hosts: []string{"club1.example.org", "www.club1.example.org"}, DocumentRoot: l.path("www/club 1/public"), Handler: webserver.FPM, Pool: "unix:/run/php/php8.2-fpm.sock"},
		{URL: l.url(1), Hosts: []string{".mass.example.org"}, DocumentRoot: l.path("www/mass/${host}/web"), Handler: webserver.FPM, Pool: "unix:/run/php/up.sock"},
		{URL: l.url(1), Hosts: []string{"own.example.org"}, DocumentRoot: l.path("www/own"), Handler: webserver.FPM, Pool: "tcp:localhost:9000"},
	}
	for i := range want {
		want[i].Server, want[i].PID = webserver.Nginx, pid
	}
	got := own(t, pid)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(webserver.Site{}, "From")); diff != "" {
		t.Error(diff)
	}
	if want := l.path("sites-enabled/real") + ":1"; got[1].From != want {
		t.Errorf("the second site is from %s, want %s", got[1].From, want)
	}
}
