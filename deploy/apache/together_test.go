package apache_test

import (
	"net/http"
	"strings"
	"testing"

	"relink/deploy/apache"
	"relink/deploy/webmap"
)

// One host with an application at "/", two below prefixes, and a folder that is
// none of relink's.
func TestApplicationsTogether(t *testing.T) {
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := newServer(t, sapi)
			var includes []string
			for _, app := range []struct{ name, prefix string }{{"main", ""}, {"booking", "/booking"}, {"mobile", "/mobile"}} {
				for _, id := range []string{"v1", "v2"} {
					s.file(t, app.name+"/"+app.name+"-"+id+"/index.php", `<?php echo "`+app.name+" "+id+`, $_SERVER[DOCUMENT_ROOT], $_SERVER[SCRIPT_NAME]";`)
					s.file(t, app.name+"/"+app.name+"-"+id+"/.htaccess", "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . index.php [L]")
				}
				include := apache.Include{App: app.name, Form: apache.FormVHost, Prefix: app.prefix, Releases: s.root + "/" + app.name, Docroot: ".",
					Map: s.root + "/state/" + app.name, AllowOverride: "All"}
				if app.prefix != "" {
					include.Form = apache.FormAlias
				}
				check(t, webmap.Write(include.Map, webmap.Map{"club1": app.name + "-v1"}))
				includes = append(includes, s.include(t, sapi, "club1", include))
			}
			s.file(t, "www/tool/index.html", "tool")
			s.start(t, sapi, vhost("club1", "DocumentRoot "+s.root+"/empty", strings.Join(includes, "\n"),
				"<Location /tool>\nAlias "+s.root+"/www/tool\n</Location>", "RewriteRule ^/old$ /index.php/new [PT]", "RewriteRule ^/moved$ /nice [R=301]"))
			wants := func(url, app, release, prefix string) {
				t.Helper()
				want := app + " " + release + ", " + s.root + "/" + app + "/" + app + "-" + release + ", " + prefix + "/index.php"
				if got := s.get(t, "club1", url); got.Body != want {
					t.Errorf("%s: %+v, want %s", url, got, want)
				}
			}
			for _, tail := range []string{"/", "/nice/url", "/index.php", "/index.php/x"} {
				wants(tail, "main", "v1", "")
				wants("/booking"+tail, "booking", "v1", "/booking")
				wants("/mobile"+tail, "mobile", "v1", "/mobile")
			}
			wants("/bookings", "main", "v1", "")
			if got := s.get(t, "club1", "/tool/"); got.Body != "tool" {
				t.Errorf("/tool/: %+v", got)
			}
			if got := s.get(t, "club1", "/booking"); got.Location != "http://club1/booking/" {
				t.Errorf("/booking: %+v", got)
			}
			wants("/old", "main", "v1", "") // the host's own rules
			if got := s.get(t, "club1", "/moved"); got.Location != "http://club1/nice" {
				t.Errorf("/moved: %+v", got)
			}
			check(t, webmap.Write(s.root+"/state/booking", webmap.Map{"club1": "booking-v2"}))
			check(t, webmap.Write(s.root+"/state/mobile", nil))
			wants("/nice/url", "main", "v1", "")
			wants("/booking/nice/url", "booking", "v2", "/booking")
			for _, url := range []string{"/mobile/", "/mobile/nice/url", "/mobile", "/mobile/index.php"} {
				if got := s.get(t, "club1", url); got.Status != http.StatusNotFound {
					t.Errorf("%s: %+v", url, got)
				}
			}
		})
	}
}
