package probe_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/internal/hint"
	"relink/php/probe"
)

func TestAsk(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{workers: 2})
			a := s.ask()
			if a.File != s.script("v1") || a.Filename != s.docroot+"/"+s.secret.Name(app) {
				t.Errorf("file %s, filename %s", a.File, a.Filename)
			}
			if a.DocumentRoot != s.docroot || a.ScriptName != "/"+s.secret.Name(app) {
				t.Errorf("document root %s, script name %s", a.DocumentRoot, a.ScriptName)
			}
			if a.SAPI != server.sapi || !strings.Contains(a.PHPVersion, ".") || a.ThreadSafe || !slices.Contains(s.children(), a.PID) || a.ParentPID == 0 {
				t.Errorf("%+v is none of %v", a, s.children())
			}
			if age := time.Since(a.CacheStart); age < -time.Minute || age > time.Hour {
				t.Errorf("the cache began at %v", a.CacheStart)
			}
			if a.RevalidatePath || a.ValidateTimestamps || (a.UserINI == ".user.ini") != (server.sapi == "fpm-fcgi") {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestAskSettings(t *testing.T) {
	for _, server := range servers[:2] {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{ini: map[string]string{"opcache.revalidate_path": "1", "opcache.validate_timestamps": "1", "user_ini.filename": ""}})
			if a := s.ask(); !a.RevalidatePath || !a.ValidateTimestamps || a.UserINI != "" {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Where OPcache cannot be asked, the rest of the answer is there.
func TestAskWithoutOPcache(t *testing.T) {
	for name, ini := range map[string]map[string]string{
		"restrict_api":       {"opcache.restrict_api": "/srv/admin"},
		"off":                {"opcache.enable": "0"},
		"disabled functions": {"disable_functions": "opcache_get_status,ini_get,posix_getppid,getenv"},
	} {
		for _, server := range servers[:2] {
			t.Run(name+" "+server.name, func(t *testing.T) {
				s := newSite(t, server.start, web{ini: ini})
				if a := s.ask(); a.File != s.script("v1") || !a.CacheStart.IsZero() {
					t.Errorf("%+v", a)
				}
			})
		}
	}
}

func TestAskInNoise(t *testing.T) {
	for name, prepend := range map[string]string{
		"printed":  `<?php echo "\nRELINKP1:00:1:00000000\n"; print_r($_SERVER); flush(); echo $undefined; set_error_handler(function () { echo "x"; });`,
		"buffered": `<?php ob_start(function ($text) { return strrev($text); }); echo "lost"; http_response_code(503);`,
		"ended":    `<?php register_shutdown_function(function () { echo "tail"; });`,
	} {
		for _, server := range servers[:2] {
			t.Run(name+" "+server.name, func(t *testing.T) {
				file := writeFile(t, t.TempDir()+"/prepend.php", prepend)
				makeReadable(t, file)
				s := newSite(t, server.start, web{ini: map[string]string{"auto_prepend_file": file, "display_errors": "1", "variables_order": "GPC"}})
				if a := s.ask(); a.File != s.script("v1") {
					t.Errorf("%+v", a)
				}
				if _, err := s.agent().Ping(bounded(t)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// To strangers the script is a missing page, whatever they send.
func TestStrangersFindNothing(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{})
			writeFile(t, s.root+"/releases/v1/public/missing.php", "<?php header_remove(); http_response_code(404);")
			want := s.get("missing.php", nil)
			nonce := strings.Repeat("a", 32)
			token := s.secret.Token(app)
			for name, header := range map[string]map[string]string{
				"nothing":        {},
				"no token":       {"X-Relink-Nonce": nonce},
				"wrong token":    {"X-Relink-Nonce": nonce, "X-Relink-Token": strings.Repeat("0", 64)},
				"empty token":    {"X-Relink-Nonce": nonce, "X-Relink-Token": ""},
				"the digest":     {"X-Relink-Nonce": nonce, "X-Relink-Token": digestIn(t, s.secret.Script(app, s.agents))},
				"another's":      {"X-Relink-Nonce": nonce, "X-Relink-Token": s.secret.Token("other")},
				"an operation":   {"X-Relink-Nonce": nonce, "X-Relink-Op": "reset", "X-Relink-Agent": "relink-agent-0123456789abcdef.php"},
				"no nonce":       {"X-Relink-Token": token},
				"no right nonce": {"X-Relink-Token": token, "X-Relink-Nonce": nonce + "0"},
			} {
				if got := s.get(s.secret.Name(app), header); got != want || !strings.HasPrefix(got, "404 ") || !strings.HasSuffix(got, "\n\n") {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// get gives status, header and body, without what differs from moment to moment.
func (s *site) get(name string, header map[string]string) string {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.url+name, nil)
	s.must(err)
	request.Host = host
	for name, value := range header {
		request.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	s.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	s.must(err)
	response.Header.Del("Date")
	var head strings.Builder
	s.must(response.Header.Write(&head))
	return response.Status + "\n" + head.String() + "\n\n" + string(body)
}

func TestPathsOfAnyBytes(t *testing.T) {
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			s := newSite(t, server.start, web{docroot: "caf\xe9/public"})
			a := s.ask()
			if a.File != s.docroot+"/"+s.secret.Name(app) || a.DocumentRoot != s.docroot {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Rules that let index.php alone reach PHP are common, and right.
func TestHiddenByRules(t *testing.T) {
	const apacheIndex = "<Files \"index.php\">\nSetHandler application/x-httpd-php\n</Files>\n"
	for _, c := range []struct {
		name   string
		server func(*testing.T, *web)
		web    web
		seen   string
		advice string
	}{
		{"Apache denies the others", startPrefork, web{handler: apacheIndex,
			rules: "<FilesMatch \"^(?!index).*\\.php$\">\nRequire all denied\n</FilesMatch>\n"}, "status 403", "index.php only"},
		{"Apache sends all to index.php", startPrefork, web{
			rules: "RewriteEngine on\nRewriteRule !^/index.php$ /index.php\n"}, `status 200, "v1"`, "index.php hide it"},
		{"Apache redirects", startPrefork, web{
			rules: "RewriteEngine on\nRewriteRule ^/(.*) https://www.club1.test/$1 [R=301]\n"}, "status 301 to \"https://www.club1.test/relink-", "probe.url"},
		{"nginx has none of the others", startNginx, web{
			handler: "location = /index.php {\nFASTCGI}\nlocation ~ \\.php$ { return 404; }\n"}, "status 404", "index.php only"},
		{"nginx serves them as files", startNginx, web{
			handler: "location = /index.php {\nFASTCGI}\nlocation / { try_files $uri /index.php; }\n"}, "status 200, \"<?php", "index.php hide it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.server, c.web)
			_, err := s.door().Ask(bounded(t))
			wantError(t, err, probe.ErrHidden, c.seen, c.advice)
			_, err = s.agent().Sweep(bounded(t)) // nginx answers 405 to a POST for a file
			wantError(t, err, probe.ErrHidden, "sweep in pool mod_php "+s.url)
		})
	}
}

func TestServerWithoutPHP(t *testing.T) {
	s := newSite(t, startEvent, web{})
	s.must(s.fpm.StopMaster("php"))
	_, err := s.door().Ask(bounded(t))
	wantError(t, err, probe.ErrServer, "status 503", "error logs")
	wantError(t, err, probe.ErrHidden)
}

// wantError checks kind and text of an error, and that it tells what to do.
func wantError(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	if !errorIs(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	hints := hint.Of(err)
	if len(hints) == 0 {
		t.Errorf("no hint with %v", err)
	}
	text := err.Error() + "\n" + strings.Join(hints, "\n")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}
