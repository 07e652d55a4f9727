package sandbox

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// tree is a site's link to a release with a document root, whose page tells how
// PHP was asked for it.
type tree struct{ root, release, link string }

func newTree(t *testing.T) tree {
	t.Helper()
	root := testRoot(t)
	f := tree{root: root, release: filepath.Join(root, "releases", "v1"), link: filepath.Join(root, "www", "club1")}
	page(t, filepath.Join(f.release, "public"), "")
	code := "<?php echo PHP_SAPI, ' ', $_SERVER['SCRIPT_FILENAME'], ' ', $_SERVER['DOCUMENT_ROOT'], ' ', $_SERVER['SITE'] ?? '';"
	for _, err := range []error{
		os.WriteFile(filepath.Join(f.release, "public", "index.php"), []byte(code), 0o644),
		os.WriteFile(filepath.Join(root, "map"), []byte("club1 v1\n"), 0o644),
		os.Mkdir(filepath.Dir(f.link), 0o755),
		os.Symlink(f.release, f.link),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// mapDirectives have Apache send real paths: a RewriteMap leads from the instance to
// the release. The target begins with a literal path, or Apache would put DocumentRoot
// before it (2.4.60). An internal redirect, such as one of a .htaccess, carries the
// release already.
func mapDirectives(file, instance, releases, docroot string) []string {
	return []string{
		"RewriteEngine On",
		fmt.Sprintf("RewriteMap relink %q", "txt:"+file),
		`RewriteCond "%{ENV:REDIRECT_STATUS}" "^$"`,
		fmt.Sprintf(`RewriteCond "${relink:%s}" "^(.+)$"`, instance),
		fmt.Sprintf(`RewriteRule "^/(.*)$" %q [E=REL:%%1]`, releases+"/%1/"+docroot+"/$1"),
		fmt.Sprintf(`ProxyFCGISetEnvIf "true" DOCUMENT_ROOT %q`, releases+"/%{reqenv:REL}/"+docroot),
		fmt.Sprintf(`ProxyFCGISetEnvIf "-n reqenv('REDIRECT_REL')" DOCUMENT_ROOT %q`, releases+"/%{reqenv:REDIRECT_REL}/"+docroot),
	}
}

// How each form of the front door spells what PHP is asked for.
func TestForms(t *testing.T) {
	const fpm, mod = "fpm-fcgi", "apache2handler"
	real := func(f tree) string { return f.release + "/public" }
	literal := func(f tree) string { return f.link + "/public" }
	site := func(f tree) Site { return Site{DocumentRoot: literal(f)} }
	mapped := func(f tree) Site {
		return Site{DocumentRoot: f.root + "/releases", Directives: mapDirectives(f.root+"/map", "club1", f.root+"/releases", "public")}
	}
	beside := []Master{{Pools: []Pool{{Name: "www", Workers: 1}}}}

	for name, form := range map[string]struct {
		options      Options
		site         func(tree) Site
		sapi         string
		script, root func(tree) string
	}{
		"event":        {Options{}, site, fpm, literal, literal},
		"slash":        {Options{Handler: HandlerSetSlash}, site, fpm, func(f tree) string { return "/" + literal(f) }, literal},
		"match":        {Options{Handler: HandlerMatch}, site, fpm, literal, literal},
		"match, slash": {Options{Handler: HandlerMatchSlash}, site, fpm, func(f tree) string { return literal(f) + "/" }, literal},
		"match, kept":  {Options{Handler: HandlerMatch, EnableReuse: true}, site, fpm, literal, literal},
		"virtual": {Options{}, func(f tree) Site {
			return Site{Host: "*.test", Virtual: true, DocumentRoot: f.root + "/www/%1/public"}
		}, fpm, literal, literal},
		"map":             {Options{}, mapped, fpm, real, real},
		"prefork":         {Options{Web: WebApachePrefork}, site, mod, literal, literal},
		"prefork, idle":   {Options{Web: WebApachePrefork, Masters: beside}, site, mod, literal, literal},
		"prefork, FPM":    {Options{Web: WebApachePrefork, Masters: beside}, func(f tree) Site { return Site{DocumentRoot: literal(f), Pool: "www"} }, fpm, literal, literal},
		"prefork, map":    {Options{Web: WebApachePrefork}, mapped, mod, real, func(f tree) string { return f.root + "/releases" }},
		"nginx":           {Options{Web: WebNginx}, site, fpm, literal, literal},
		"nginx, kept":     {Options{Web: WebNginx, EnableReuse: true}, site, fpm, literal, literal},
		"nginx, realpath": {Options{Web: WebNginx}, func(f tree) Site { return Site{DocumentRoot: literal(f), RealpathRoot: true} }, fpm, real, real},
	} {
		t.Run(name, func(t *testing.T) {
			f := newTree(t)
			one := form.site(f)
			one.Env = map[string]string{"SITE": `"one"`}
			if one.Host == "" {
				one.Host = "club1.test"
			}
			form.options.Root, form.options.Sites = filepath.Join(f.root, "srv"), []Site{one}
			s := start(t, form.options)
			want := fmt.Sprintf(`%s %s/index.php %s "one"`, form.sapi, form.script(f), form.root(f))
			for _, path := range []string{"/", "/index.php"} {
				if status, body := get(t, s.URL(), "club1.test", path); status != http.StatusOK || body != want {
					t.Errorf("%s answered %d %q, want %q", path, status, body, want)
				}
			}
			if status, _ := get(t, s.URL(), "stranger.invalid", "/"); status != http.StatusForbidden {
				t.Errorf("a host that is no site was answered with %d", status)
			}
		})
	}
}

// The map is read again when it changes; nothing else has to happen.
func TestMapMoves(t *testing.T) {
	f := newTree(t)
	second := filepath.Join(f.root, "releases", "v2", "public")
	page(t, second, "new")
	s := start(t, Options{Root: filepath.Join(f.root, "srv"), Web: WebApachePrefork, Sites: []Site{{Host: "club1.test",
		DocumentRoot: f.root + "/releases", Directives: mapDirectives(f.root+"/map", "club1", f.root+"/releases", "public")}}})
	get(t, s.URL(), "club1.test", "/")
	if err := os.WriteFile(filepath.Join(f.root, "map.new"), []byte("club1 v2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(f.root, "map.new"), filepath.Join(f.root, "map")); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		wantPage(t, s, "club1.test", "new "+second+"/index.php ")
	}
}

func webChildren(t *testing.T, s *Server) []int {
	t.Helper()
	pids, err := s.WebChildren()
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// mod_php's children are as many as were asked for and share one OPcache, set up
// by Options.INI.
func TestModPHP(t *testing.T) {
	root := testRoot(t)
	dir := page(t, filepath.Join(root, "www"), "")
	code := "<?php echo ini_get('opcache.memory_consumption'), ' ', ini_get('opcache.validate_timestamps'), ' ', opcache_get_status(false)['opcache_enabled'];"
	if err := os.WriteFile(filepath.Join(dir, "index.php"), []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Root: filepath.Join(root, "srv"), Web: WebApachePrefork, Children: 3,
		INI: map[string]string{"opcache.memory_consumption": "64"}, Sites: []Site{{Host: "a.test", DocumentRoot: dir}}})
	wantPage(t, s, "a.test", "64 0 1")
	if pools, children := s.Pools(), webChildren(t, s); len(pools) != 0 || len(children) != 3 {
		t.Errorf("pools %v, children %v", pools, children)
	}
}
