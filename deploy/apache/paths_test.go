package apache_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"relink/deploy/apache"
	"relink/deploy/webmap"

	"github.com/google/go-cmp/cmp"
)

// told is what a page says.
type told struct {
	Release, File, Cwd string
	Server             map[string]any
}

// tell reads a page.
func (a answer) tell(t testing.TB) told {
	t.Helper()
	var said told
	if err := json.Unmarshal([]byte(a.Body), &said); err != nil {
		t.Fatalf("no page: %d %s", a.Status, a.Body)
	}
	return said
}

// unlike are variables that differ between any two requests or hosts, and those
// that mod_rewrite adds wherever its engine is on.
var unlike = []string{"REMOTE_PORT", "REQUEST_TIME", "REQUEST_TIME_FLOAT", "SCRIPT_URL", "SCRIPT_URI", "SERVER_SIGNATURE",
	"RELINK_RELEASE", "REDIRECT_RELINK_RELEASE", "REDIRECT_SCRIPT_URL", "REDIRECT_SCRIPT_URI"}

// comparable makes answers of two hosts equal where they say the same.
func (s *server) comparable(t testing.TB, host string, a answer) (answer, told) {
	t.Helper()
	for _, text := range []*string{&a.Body, &a.Location} {
		*text = strings.ReplaceAll(*text, s.root+"/www/club1/public", s.releases+"/v1/public")
	}
	a.Location = strings.ReplaceAll(a.Location, "http://"+host+"/", "http://HOST/")
	if a.Type != "application/json" {
		if strings.HasPrefix(a.Body, "<!DOCTYPE") {
			a.Body = "" // Apache's own text names the host
		}
		return a, told{}
	}
	said := a.tell(t)
	for name, value := range said.Server {
		drop := slices.Contains(unlike, name) || slices.Contains(unlike, strings.TrimPrefix(name, "REDIRECT_"))
		if text, ok := value.(string); drop {
			delete(said.Server, name)
		} else if ok {
			said.Server[name] = strings.ReplaceAll(text, host, "HOST")
		}
	}
	a.Body = ""
	return a, said
}

// What applications see does not change, but for the path of their files, which
// is the release's in place of the link's.
func TestLikeLinks(t *testing.T) {
	forms := []struct {
		host, like, prefix string
		urls               []string
	}{
		{"club1", "linked", "", slices.Concat(urls, absoluteURLs, cachedURLs)},
		{"a.mass", "linked", "", slices.Concat(urls, absoluteURLs)},
		{"prefix", "linked-prefix", "/booking", urls},
	}
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := startBooking(t, sapi)
			for _, form := range forms {
				for _, url := range form.urls {
					s.compare(t, form.host, form.like, form.prefix, url)
				}
			}
			if sapi == modPHP { // Lua sets Apache's own document root
				for _, url := range cachedURLs {
					s.compare(t, "a.mass", "linked", "", url)
				}
			}
			if t.Failed() {
				t.Log(s.log())
			}
		})
	}
}

func (s *server) compare(t *testing.T, host, like, prefix, url string) {
	t.Helper()
	before := s.get(t, like, prefix+url)
	if strings.Contains(url, "/nice") && before.Status >= 400 {
		t.Fatalf("%s %s is no page: %+v", like, prefix+url, before)
	}
	want, wantTold := s.comparable(t, like, before)
	got, gotTold := s.comparable(t, host, s.get(t, host, prefix+url))
	if wantTold.Server != nil && prefix != "" { // Alias leaves DOCUMENT_ROOT to the host; here it is the release's
		wantTold.Server["DOCUMENT_ROOT"] = s.releases + "/v1/public"
	}
	if diff := cmp.Diff(want, got) + cmp.Diff(wantTold, gotTold); diff != "" {
		t.Errorf("%s %s (-with links, +with real paths):\n%s", host, prefix+url, diff)
	}
	if strings.Contains(got.Location, s.releases) {
		t.Errorf("%s %s: tells the release's path: %s", host, url, got.Location)
	}
}

// The map alone moves a site, page and files alike, and only this site. Two
// moves in one tick of the kernel's clock are two moves.
func TestTheMapMovesASite(t *testing.T) {
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := startBooking(t, sapi)
			for n := range 30 {
				for _, release := range []string{"v2", "v1"} {
					s.release(t, webmap.Map{"club1": release, "club2": "v2", "a.mass": release})
					for _, url := range []string{"club1", "a.mass", "prefix/booking"} {
						host, prefix, _ := strings.Cut(url, "/booking")
						if strings.HasSuffix(url, "/booking") {
							prefix = "/booking"
						}
						if got := s.get(t, host, prefix+"/relative/nice").tell(t); got.Release != release || !strings.HasPrefix(got.Server["DOCUMENT_ROOT"].(string), s.releases+"/"+release+"/") {
							t.Fatalf("move %d to %s: %s serves %+v", n, release, url, got)
						}
						if got := s.get(t, host, prefix+"/style.css"); got.Body != "css of "+release {
							t.Fatalf("move %d to %s: %s serves %q", n, release, url, got.Body)
						}
					}
				}
				if got := s.get(t, "club2", "/").tell(t); got.Release != "v2" {
					t.Fatalf("club2 serves %+v", got)
				}
			}
		})
	}
}

func TestUnknownSites(t *testing.T) {
	for _, sapi := range sapis {
		t.Run(sapi, func(t *testing.T) {
			s := startBooking(t, sapi)
			for _, host := range []string{"lost", "forgotten", "lost.mass", "mass", "a.mass.mass", "v1.mass", "..mass", "a.mass:x", "[::1].mass"} {
				for _, url := range []string{"/", "/style.css", "/v1/public/style.css", "/public/style.css", s.releases + "/v1/public/style.css"} {
					if got := s.get(t, host, url); got.Status != http.StatusNotFound && got.Status != http.StatusBadRequest {
						t.Errorf("%s%s: %+v", host, url, got)
					}
				}
			}
			if got := s.get(t, "prefix-lost", "/booking/style.css"); got.Status != http.StatusNotFound {
				t.Errorf("prefix-lost: %+v", got)
			}
			for _, host := range []string{"A.MASS", "a.mass:80", "a.mass.", "a.Mass.:8080"} {
				if got := s.get(t, host, "/style.css"); got.Body != "css of v1" {
					t.Errorf("%s: %+v", host, got)
				}
			}
		})
	}
}

// PHP-FPM remembers a .user.ini by its folder: with a folder for each release
// there is nothing to remember.
func TestUserINI(t *testing.T) {
	s := newServer(t, fpm)
	for _, id := range []string{"v1", "v2"} {
		s.file(t, "releases/"+id+"/public/.user.ini", "user_agent = "+id)
		s.file(t, "releases/"+id+"/public/index.php", "<?php echo ini_get('user_agent');")
	}
	s.link(t, "www/club1", "v1")
	s.release(t, v1Entries)
	s.start(t, fpm, vhost("club1", "DocumentRoot "+s.root+"/www/club1/public", s.include(t, fpm, "club1", s.booking(apache.FormVHost))))
	for _, release := range []string{"v1", "v2", "v1"} {
		s.release(t, webmap.Map{"club1": release})
		for range 8 { // all workers
			if got := s.get(t, "club1", "/"); got.Body != release {
				t.Errorf("%s: %+v", release, got)
			}
		}
	}
}
