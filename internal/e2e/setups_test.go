package e2e

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"relink/internal/sandbox"
)

const (
	event   = sandbox.WebApacheEvent
	prefork = sandbox.WebApachePrefork
	nginx   = sandbox.WebNginx
)

// setups are the three set-ups of docs/front-door.md behind each web server, and
// the forms in which Apache spells a path.
var setups = map[string]way{
	"resolved, Apache":  {web: event, resolved: true},
	"resolved, mod_php": {web: prefork, resolved: true},
	"resolved, nginx":   {web: nginx, resolved: true},

	"revalidated, Apache":  {web: event, revalidate: true},
	"revalidated, mod_php": {web: prefork, revalidate: true},
	"revalidated, nginx":   {web: nginx, revalidate: true},

	"keyed, Apache":              {web: event},
	"keyed, mod_php":             {web: prefork},
	"keyed, nginx":               {web: nginx},
	"keyed, fcgi://localhost/":   {web: event, handler: sandbox.HandlerSetSlash},
	"keyed, ProxyPassMatch":      {web: event, handler: sandbox.HandlerMatch},
	"keyed, ProxyPassMatch //":   {web: event, handler: sandbox.HandlerMatchSlash},
	"keyed, VirtualDocumentRoot": {web: event, virtual: true},
	"keyed, behind a link":       {web: event, behind: true},
	"keyed, Apache, enablereuse": {web: event, reuse: true},
	"keyed, nginx, keep_conn":    {web: nginx, reuse: true},
	"resolved, nginx, keep_conn": {web: nginx, resolved: true, reuse: true},
}

// Each deploy and rollback, of one site and of all, on a fresh cache and under a
// light load: no request fails, no old page begins after the command has
// returned, and who was not asked for stays.
func TestSetups(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(setups)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, setups[name])
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.relink(map[string]string{"club1": "v2"}, "deploy", "v2", "--instance", "club1")
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.relink(map[string]string{"club2": "v1"}, "rollback", "--instance", "club2")
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.relink(all("v1"), "rollback", "--all")
		})
	}
}

// A switch of everybody alone, on a fresh cache and with a long request under way,
// by the program with the race detector.
func TestSetupsAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(setups)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, setups[name])
			f.program = raced
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.beginSlow()
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.awaitSlow("v1")
		})
	}
}

func all(ref string) map[string]string {
	on := map[string]string{}
	for _, club := range clubs {
		on[club] = ref
	}
	return on
}

// The entry script is a link of the release: the key has the link's name, the
// script that of its target.
func TestLinkedEntryScript(t *testing.T) {
	t.Parallel()
	linked := func(ref string) application {
		app := ordinary(ref)
		app["app/front.php"] = app["public/index.php"]
		app["public/index.php"] = "-> ../app/front.php"
		return app
	}
	for _, name := range []string{"keyed, Apache", "keyed, mod_php", "revalidated, Apache"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setups[name]
			w.app = linked
			f := newFront(t, w)
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.relink(map[string]string{"club1": "v2"}, "deploy", "v2", "--instance", "club1")
		})
	}
}

// The link is a folder that the site's own script, which stays, includes by a
// path relative to the working directory.
func TestRelativeInclude(t *testing.T) {
	t.Parallel()
	core := func(ref string) application {
		return application{"boot.php": "<?php echo '" + ref + "';", "other.php": "<?php echo '" + ref + "';"}
	}
	for name, w := range map[string]way{"keyed": {}, "revalidated": {revalidate: true}, "mod_php": {web: prefork}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.app, w.inside = core, true
			f := newFront(t, w)
			f.pages = []string{"/", "/core/other.php"}
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.relink(map[string]string{"club1": "v2"}, "deploy", "v2", "--instance", "club1")
		})
	}
}

// A script that the new release has no more is gone for who moved, and there for
// who stayed. With cgi.fix_pathinfo=0 nothing but OPcache's key is asked whether
// it exists.
func TestDeletedScript(t *testing.T) {
	t.Parallel()
	upload := func(ref string) application {
		app := ordinary(ref)
		if ref == "v1" {
			app["public/upload.php"] = "<?php echo 'v1';"
		}
		return app
	}
	for name, w := range map[string]way{
		"fix_pathinfo=0": {ini: map[string]string{"cgi.fix_pathinfo": "0"}}, "fix_pathinfo=1": {}, "mod_php": {web: prefork},
		"revalidated": {revalidate: true, ini: map[string]string{"cgi.fix_pathinfo": "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w.app = upload
			f := newFront(t, w)
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.wantUpload("club1", http.StatusOK)
			f.beginLoad()
			f.relink(map[string]string{"club1": "v2"}, "deploy", "v2", "--instance", "club1")
			f.wantUpload("club1", http.StatusNotFound)
			f.wantUpload("club2", http.StatusOK)
		})
	}
}

func (f *front) wantUpload(club string, status int) {
	f.t.Helper()
	for range f.rounds() {
		if got, body := f.get(club, "/upload.php"); got != status {
			f.t.Fatalf("%s/upload.php answers %d %q, want %d", club, got, body, status)
		}
	}
}

// mod_php serves, and relink is told of an idle pool of PHP-FPM: a success means
// new pages there too.
func TestModPHPBesideIdlePool(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]way{
		"keyed": {web: prefork}, "revalidated": {web: prefork, revalidate: true}, "resolved": {web: prefork, resolved: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, w)
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			if report, ended := f.run("deploy", "v2", "--all"); report.Exit == 0 {
				maps.Copy(f.on, all("v2"))
				f.wantPages("after exit 0")
				f.wantLoad(ended, []string{"deploy"})
			}
		})
	}
}
