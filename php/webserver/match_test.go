package webserver

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInterpolate(t *testing.T) {
	const host = "club1.example.org"
	for pattern, want := range map[string]string{
		"/w/%0/p":  "/w/club1.example.org/p",
		"/w/%1":    "/w/club1",
		"/w/%-1":   "/w/org",
		"/w/%2+":   "/w/example.org",
		"/w/%-2+":  "/w/club1.example",
		"/w/%4":    "/w/_",
		"/w/%1.1":  "/w/c",
		"/w/%1.2+": "/w/lub1",
		"/w/%1/%%": "/w/club1/%",
		"/w/%1.x":  "/w/club1.x",
	} {
		if got := interpolate(pattern, host); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// tree makes folders ("a/b/") and links ("a -> b") below a folder.
func tree(t *testing.T, links map[string]string, folders ...string) (root string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMatch(t *testing.T) {
	root := tree(t, map[string]string{
		"www":            "data/www",
		"data/www/club1": "../../releases/v1",
		"data/www/gone":  "../../releases/v9",
		"site":           "www/club1/public",
		"loop":           "loop",
	}, "data/www", "releases/v1/public", "data/www/plain")
	at := func(name string) string { return filepath.Join(root, name) }
	club1 := Link{Name: "club1", Path: at("www/club1"), Docroot: "public"}
	for name, test := range map[string]struct {
		site   Site
		link   Link
		behind string // "": no chain
		host   string
	}{
		"literally":                    {Site{DocumentRoot: at("www/club1/public")}, club1, "public", ""},
		"by another spelling":          {Site{DocumentRoot: at("data/www/club1/public")}, club1, "public", ""},
		"by a link to its folder":      {Site{DocumentRoot: at("site")}, club1, "public", ""},
		"another folder of it":         {Site{DocumentRoot: at("www/club1/admin")}, club1, "admin", ""},
		"the link itself":              {Site{DocumentRoot: at("www/club1/")}, Link{Path: at("www/club1"), Docroot: "."}, ".", ""},
		"a name that begins so":        {Site{DocumentRoot: at("www/club12")}, club1, "", ""},
		"the release":                  {Site{DocumentRoot: at("releases/v1/public")}, club1, "", ""},
		"a loop":                       {Site{DocumentRoot: at("loop/x")}, club1, "", ""},
		"a link that leads to nothing": {Site{DocumentRoot: at("www/gone/public")}, Link{Path: at("www/gone"), Docroot: "public"}, "public", ""},
		"a link that is not there yet": {Site{DocumentRoot: at("www/new/public")}, Link{Path: at("www/new"), Docroot: "public"}, "public", ""},
		"its folder is not there yet":  {Site{DocumentRoot: at("www/a/b/public")}, Link{Path: at("www/a/b"), Docroot: "public"}, "public", ""},
		"%0":                           {Site{Server: Apache, DocumentRoot: at("www/%0/public"), Hosts: []string{"mass"}}, club1, "public", "club1"},
		"%1":                           {Site{Server: Apache, DocumentRoot: at("www/%1/public"), Hosts: []string{"m", "*.example.org"}}, club1, "public", "club1.example.org"},
		"$host":                        {Site{Server: Nginx, DocumentRoot: at("www/$host/public"), Hosts: []string{".example.org"}}, Link{Path: at("www/x.example.org"), Docroot: "public"}, "public", "x.example.org"},
		"$server_name":                 {Site{Server: Nginx, DocumentRoot: at("www/${server_name}/public"), Hosts: []string{"club1", "*.example.org"}}, club1, "public", "club1"},
		"$unknown":                     {Site{Server: Nginx, DocumentRoot: at("www/$unknown/public"), Hosts: []string{"club1"}}, club1, "", ""},
		"a host":                       {Site{DocumentRoot: at("www/club1/public"), Hosts: []string{"*.x.org", "a.x.org"}}, club1, "public", "a.x.org"},
	} {
		chains := Match([]Site{test.site}, []Link{test.link})
		switch {
		case len(chains) == 0 && test.behind != "", len(chains) > 0 && test.behind == "":
			t.Errorf("%s: %+v", name, chains)
		case len(chains) == 1 && (chains[0].Behind != test.behind || chains[0].Host != test.host):
			t.Errorf("%s: behind %q, host %q", name, chains[0].Behind, chains[0].Host)
		}
	}
}

func TestMatchGivesTheBestFirst(t *testing.T) {
	root := tree(t, nil)
	link := Link{Name: "a", Path: filepath.Join(root, "a"), Docroot: "public"}
	served := filepath.Join(root, "a/public")
	chains := Match([]Site{
		{From: "4", DocumentRoot: filepath.Join(root, "a/admin"), URL: "http://127.0.0.1/"},
		{From: "3", DocumentRoot: served},
		{From: "2", DocumentRoot: served, URL: "https://127.0.0.1/"},
		{From: "1", DocumentRoot: served, URL: "http://127.0.0.1/"},
	}, []Link{link})
	var order string
	for _, c := range chains {
		order += c.Site.From
	}
	if order != "1234" {
		t.Errorf("order %s", order)
	}
}

// A site is asked where PHP serves what the instance is, and where anything listens.
func TestAddressOf(t *testing.T) {
	root := tree(t, nil)
	link := filepath.Join(root, "a")
	served := Site{DocumentRoot: link + "/public", URL: "http://127.0.0.1:81/", Hosts: []string{"a.test"}, Handler: FPM}
	without := func(change func(*Site)) Site {
		s := served
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		sites     []Site
		url, host string
	}{
		"the site":          {[]Site{without(func(s *Site) { s.DocumentRoot = link + "/admin" }), served}, "http://127.0.0.1:81/", "a.test"},
		"of another folder": {[]Site{without(func(s *Site) { s.DocumentRoot = link + "/admin" })}, "", ""},
		"that is not PHP":   {[]Site{without(func(s *Site) { s.Handler = "" })}, "", ""},
		"that no one hears": {[]Site{without(func(s *Site) { s.URL = "" })}, "", ""},
		"of somebody else":  {[]Site{without(func(s *Site) { s.DocumentRoot = "/srv" })}, "", ""},
	} {
		if url, host := addressOf(test.sites, link, "public"); url != test.url || host != test.host {
			t.Errorf("%s: %q %q", name, url, host)
		}
	}
}
