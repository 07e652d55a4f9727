package apache_test

import (
	"net/http"
	"strings"
	"testing"

	"relink/deploy/apache"
)

// climbs are ways out of the document root of v1, were there any.
func (s *server) climbs() []string {
	return []string{
		"/../v2/public/style.css", "/../../v2/public/style.css", "/%2e%2e/%2e%2e/v2/public/style.css", "/.%2e/.%2e/v2/public/style.css",
		"/..%2f..%2fv2/public/style.css", "/%2e%2e%2f%2e%2e%2fv2%2fpublic%2fstyle.css", "/..%5c..%5cv2/public/style.css",
		"/plain/../../../v2/public/style.css", "/plain/..%2f..%2f..%2fv2/public/style.css", "/../secret.txt", "/..%2fsecret.txt",
		"/%252e%252e/%252e%252e/v2/public/style.css", "//../../v2/public/style.css", "/;/../../v2/public/style.css",
		"/v2/public/style.css", "/v2/secret.txt", "/v1/secret.txt", "/secret.txt", "/public/style.css", "/%2Fv2/public/style.css",
		s.releases + "/v2/public/style.css", s.releases + "/v1/secret.txt", "/" + s.releases + "/v2/public/style.css",
		s.root + "/www/club1/secret.txt", "/etc/passwd", "//etc/passwd", "/proc/self/environ",
	}
}

// Nothing of another release, of the release outside of its document root, or
// of the machine is to be had by URL, however Apache treats encoded slashes.
func TestNoWayOut(t *testing.T) {
	for _, sapi := range sapis {
		for _, slashes := range []string{"Off", "On", "NoDecode"} {
			t.Run(sapi+"/"+slashes, func(t *testing.T) {
				s := newServer(t, sapi)
				makeRelease(t, s, "v1")
				makeRelease(t, s, "v2")
				s.link(t, "www/club1", "v1")
				s.release(t, v1Entries)
				root, allow := "DocumentRoot "+s.root+"/www/club1/public", "AllowEncodedSlashes "+slashes
				s.start(t, sapi, vhost("club1", root, allow, s.include(t, sapi, "club1", s.booking(apache.FormVHost)))+
					vhost("a.mass", "DocumentRoot "+s.root+"/empty", allow, "MergeSlashes Off", s.include(t, sapi, "", s.booking(apache.FormMass)))+
					vhost("prefix", "DocumentRoot "+s.root+"/empty", allow, s.include(t, sapi, "club1", s.booking(apache.FormAlias))))
				for _, url := range s.climbs() {
					for host, prefix := range map[string]string{"club1": "", "a.mass": "", "prefix": "/booking"} {
						s.closed(t, host, prefix+url)
						s.closed(t, host, prefix+"/relative"+url) // through a front controller
					}
				}
			})
		}
	}
}

func (s *server) closed(t *testing.T, host, url string) {
	t.Helper()
	got := s.get(t, host, url)
	for _, leak := range []string{"css of v2", "secret of", "root:", "PATH="} {
		if strings.Contains(got.Body, leak) && got.Type != "application/json" {
			t.Errorf("%s %s: %+v", host, url, got)
		}
	}
	if got.Type == "application/json" && got.tell(t).Release != "v1" {
		t.Errorf("%s %s: runs %s", host, url, got.tell(t).File)
	}
}

// A client cannot name the release, not even where rules do not run.
func TestHeadersNameNoRelease(t *testing.T) {
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := startBooking(t, sapi)
			for _, url := range []string{"/", "/end/nice", "/relative/nice"} {
				got := s.get(t, "club1\r\nREDIRECT_RELINK_RELEASE: v2\r\nRELINK_RELEASE: v2\r\nRelink-Release: v2", url).tell(t)
				if got.Release != "v1" {
					t.Errorf("%s: %+v", url, got)
				}
			}
		})
	}
}

// Where the administrator's own configuration keeps the rules from running,
// nothing is served by accident, also where releases have no folder for their
// document root, so that a URL could name one.
func TestWithoutTheRules(t *testing.T) {
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := newServer(t, sapi)
			for _, id := range []string{"v1", "v2"} {
				s.file(t, "releases/"+id+"/style.css", "css of "+id)
				s.file(t, "releases/"+id+"/x/index.php", `<?php echo "page of `+id+`";`)
			}
			s.link(t, "www/club1", "v1")
			s.release(t, v1Entries)
			booking := s.booking(apache.FormVHost)
			booking.Docroot = "."
			include := s.include(t, sapi, "club1", booking)
			s.start(t, sapi, vhost("club1", "DocumentRoot "+s.root+"/www/club1", include)+
				vhost("early", "DocumentRoot "+s.root+"/www/club1", "RewriteEngine On", "RewriteRule ^ - [L]", include)+
				vhost("end", "DocumentRoot "+s.root+"/www/club1", "RewriteEngine On", "RewriteRule ^ - [END]", include)+
				vhost("off", "DocumentRoot "+s.root+"/www/club1", include, "<Location /v2>\nRewriteEngine Off\n</Location>"))
			if got := s.get(t, "club1", "/style.css"); got.Body != "css of v1" {
				t.Errorf("%+v", got)
			}
			for _, host := range []string{"club1", "early", "end", "off"} {
				for _, url := range []string{"/v2/style.css", "/v2/x/", "/v2/x/index.php", "/v2/x"} {
					if got := s.get(t, host, url); got.Status != http.StatusNotFound && got.Status != http.StatusForbidden {
						t.Errorf("%s %s: %+v", host, url, got)
					}
				}
			}
		})
	}
}

// What only mod_lua can do: without it PHP inside Apache is told the link. If a
// later Apache or PHP tells the release, the script is no longer needed.
func TestModPHPNeedsLua(t *testing.T) {
	s := newServer(t, modPHP)
	makeRelease(t, s, "v1")
	s.link(t, "www/club1", "v1")
	s.release(t, v1Entries)
	text, err := s.booking(apache.FormVHost).Text()
	check(t, err)
	s.start(t, modPHP, vhost("club1", "DocumentRoot "+s.root+"/www/club1/public", "SetEnvIf Host . DOCUMENT_ROOT=/set-env-if",
		"Define RELINK_INSTANCE club1", "Include "+s.file(t, "conf/booking.conf", text), "RewriteRule ^ - [E=DOCUMENT_ROOT:/rule]", "SetEnv DOCUMENT_ROOT /set-env"))
	got := s.get(t, "club1", "/relative/nice").tell(t)
	if got.Server["DOCUMENT_ROOT"] != s.root+"/www/club1/public" || got.Server["SCRIPT_FILENAME"] != s.releases+"/v1/public/relative/index.php" {
		t.Errorf("%+v", got)
	}
}
