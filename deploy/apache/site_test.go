package apache_test

import (
	"fmt"
	"strings"
	"testing"

	"relink/deploy/apache"
	"relink/deploy/webmap"
)

// page tells what PHP was told.
const page = `<?php
header('Content-Type: application/json');
ksort($_SERVER);
echo json_encode(['release' => basename(dirname(__DIR__)), 'file' => __FILE__, 'cwd' => getcwd(), 'server' => $_SERVER], JSON_UNESCAPED_SLASHES);
`

// files of a release: the front controllers of usual applications, each in a
// folder of its own, as their makers ship them.
var files = map[string]string{
	"info.inc":  page,
	"index.php": `<?php require __DIR__ . '/info.inc';`,
	"page.php":  `<?php require $_SERVER['DOCUMENT_ROOT'] . '/info.inc';`,
	"error.php": `<?php require __DIR__ . '/info.inc';`,
	".htaccess": "ErrorDocument 404 /error.php\nErrorDocument 410 /error.php\n",
	".env":      "hidden",

	"plain/index.html": "plain", "plain/a b+c.html": "odd name", "empty/.keep": "",

	"relative/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"relative/.htaccess": `RewriteEngine On
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . index.php [L]`,
	"relative/file.txt": "file", "relative/deep/index.html": "deep",

	"symfony/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"symfony/.htaccess": `DirectoryIndex index.php
Options -MultiViews
RewriteEngine On
RewriteCond %{REQUEST_URI}::$0 ^(/.+)/(.*)::\2$
RewriteRule .* - [E=BASE:%1]
RewriteCond %{HTTP:Authorization} .+
RewriteRule ^ - [E=HTTP_AUTHORIZATION:%0]
RewriteCond %{ENV:REDIRECT_STATUS} =""
RewriteRule ^index\.php(?:/(.*)|$) %{ENV:BASE}/$1 [R=301,L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^ %{ENV:BASE}/index.php [L]`,

	"laravel/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"laravel/.htaccess": `Options -MultiViews -Indexes
RewriteEngine On
RewriteCond %{HTTP:Authorization} .
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteCond %{REQUEST_FILENAME} !-d
RewriteCond %{REQUEST_URI} (.+)/$
RewriteRule ^ %1 [L,R=301]
RewriteCond %{REQUEST_FILENAME} !-d
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^ index.php [L]`,

	"drupal/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"drupal/.htaccess": `RewriteEngine on
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteCond %{REQUEST_URI} !=/favicon.ico
RewriteRule ^(.*)$ index.php?q=$1 [L,QSA]`,

	"info/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"info/.htaccess": "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ index.php/$1 [L]",

	"end/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"end/.htaccess": "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . index.php [END]",

	"loop/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"loop/.htaccess": "RewriteEngine On\nRewriteRule ^old$ new\nRewriteRule ^new$ index.php?new [L]\nRewriteRule ^gone$ - [G]\nRewriteRule ^no$ - [F]",

	"private/.htaccess": "Require all denied\n", "private/x.html": "private",
}

// below are further ones that name their own URLs: they are no good below a prefix.
var absolute = map[string]string{
	"wordpress/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"wordpress/.htaccess": `RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteBase /wordpress/
RewriteRule ^index\.php$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /wordpress/index.php [L]`,

	"mediawiki/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"wiki/.htaccess":      "RewriteEngine On\nRewriteRule ^(.*)$ %{DOCUMENT_ROOT}/mediawiki/index.php [L]",

	"fallback/index.php": `<?php require dirname(__DIR__) . '/info.inc';`,
	"fallback/.htaccess": "FallbackResource /fallback/index.php",
}

// cached is a rule that looks for a file below Apache's own document root.
var cached = map[string]string{
	"cache/page.html": "cached",
	"cached/.htaccess": `RewriteEngine On
RewriteCond %{DOCUMENT_ROOT}/cache/$1.html -f
RewriteRule ^(.*)$ /cache/$1.html [L]`,
}

// urls that are the same in every form, with plain links and with real paths.
var urls = []string{
	"/", "/index.php", "/index.php?a=b%20c&d", "/index.php/some/path", "/index.php/some%20path/?x=1",
	"/plain/", "/plain", "/plain?x=1", "/plain/a%20b+c.html", "/style.css", "/style.css/x", "/empty/", "/empty", "/none", "/none.php", "/none/x.php",
	"/.htaccess", "/.env", "/private/x.html", "/upload/u.txt", "/upload", "//plain//index.html", "/plain/./index.html", "/plain/../index.php",
	"/relative/", "/relative", "/relative/nice", "/relative/nice/url?y=2", "/relative/nice%20url/%C3%A9", "/relative/file.txt",
	"/relative/deep", "/relative/deep/", "/relative/deep/none", "/relative/index.php/info",
	"/symfony/", "/symfony/nice/url?y=2", "/symfony/index.php", "/symfony/index.php/x?y",
	"/laravel/nice/url", "/laravel/nice/url/", "/laravel/?x=1", "/laravel",
	"/drupal/node/1", "/drupal/node/1?q2=x", "/info/a/b", "/end/nice/url", "/end/",
	"/loop/old", "/loop/new?x", "/loop/gone", "/loop/no", "/loop/none",
}

var absoluteURLs = []string{
	"/wordpress/", "/wordpress/2026/01/hello/", "/wordpress/index.php", "/wordpress/wp-json/?x=1",
	"/wiki/Main_Page", "/wiki/Main_Page?action=edit", "/fallback/", "/fallback/nice/url", "/fallback/none.css",
	"/page.php", "/page.php/x", // they include by DOCUMENT_ROOT
}

var cachedURLs = []string{"/cached/page", "/cached/none"}

// makeRelease has its files in "public", as the releases of many applications.
func makeRelease(t testing.TB, s *server, id string) {
	for _, set := range []map[string]string{files, absolute, cached} {
		for name, text := range set {
			s.file(t, "releases/"+id+"/public/"+name, text)
		}
	}
	s.file(t, "releases/"+id+"/public/style.css", "css of "+id)
	s.file(t, "releases/"+id+"/secret.txt", "secret of "+id)
	s.file(t, "shared/u.txt", "upload")
	s.link(t, "releases/"+id+"/public/upload", "../shared")
}

// booking is the application under test in a form.
func (s *server) booking(form apache.Form) apache.Include {
	i := apache.Include{App: "booking", Form: form, Releases: s.releases, Docroot: "public", Map: s.mapFile, AllowOverride: "All"}
	if form == apache.FormAlias {
		i.Prefix = "/booking"
	}
	return i
}

// include writes the configuration to a file, and gives the directives that bring it in.
func (s *server) include(t testing.TB, sapi, instance string, i apache.Include) string {
	t.Helper()
	if sapi == modPHP {
		i.Lua = s.file(t, "conf/document-root.lua", apache.Script)
	}
	text, err := i.Text()
	check(t, err)
	path := s.file(t, fmt.Sprintf("conf/%s-%s.conf", i.App, i.Form), text)
	if instance == "" {
		return "Include " + path
	}
	return "Define RELINK_INSTANCE " + instance + "\nInclude " + path
}

func vhost(name string, lines ...string) string {
	return "<VirtualHost *>\nServerName " + name + "\n" + strings.Join(lines, "\n") + "\n</VirtualHost>\n"
}

// startBooking serves two releases in all forms:
//
//	linked, linked-prefix: as without relink, through the link of club1
//	club1, club2, lost: the form vhost; the map does not know "lost"
//	a.mass, A.MASS:80, lost.mass: the form mass
//	prefix, prefix-lost: the form alias
func startBooking(t testing.TB, sapi string) *server {
	s := newServer(t, sapi)
	makeRelease(t, s, "v1")
	makeRelease(t, s, "v2")
	s.link(t, "www/club1", "v1")
	s.release(t, v1Entries)
	root := "DocumentRoot " + s.root + "/www/club1/public"
	empty := "DocumentRoot " + s.root + "/empty"
	s.start(t, sapi, vhost("linked", root)+
		vhost("linked-prefix", empty, "Alias /booking "+s.root+"/www/club1/public")+
		vhost("club1", root, s.include(t, sapi, "club1", s.booking(apache.FormVHost)))+
		vhost("club2", root, s.include(t, sapi, "club2", s.booking(apache.FormVHost)))+
		vhost("lost", root, s.include(t, sapi, "lost", s.booking(apache.FormVHost)))+
		vhost("forgotten", root, strings.SplitAfterN(s.include(t, sapi, "x", s.booking(apache.FormVHost)), "\n", 2)[1])+
		vhost("mass", "ServerAlias *.mass", empty, s.include(t, sapi, "", s.booking(apache.FormMass)))+
		vhost("prefix", empty, s.include(t, sapi, "club1", s.booking(apache.FormAlias)))+
		vhost("prefix-lost", empty, s.include(t, sapi, "lost", s.booking(apache.FormAlias))))
	return s
}

var v1Entries = webmap.Map{"club1": "v1", "club2": "v2", "a.mass": "v1"}
