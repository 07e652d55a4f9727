package propose

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/config"
	"relink/php/webserver"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tree makes folders and links ("a -> b") below a folder without links in it.
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
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(root, target), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	pool  = "unix:/run/php/php8.2-fpm.sock"
	local = "http://127.0.0.1/"
)

func site(host, root string) webserver.Site {
	s := webserver.Site{Server: webserver.Apache, URL: local, DocumentRoot: root, Handler: webserver.FPM, Pool: pool, From: "/etc/a.conf:1"}
	if host != "" {
		s.Hosts = []string{host}
	}
	return s
}

// rendered is the draft's text, and the configuration that it is.
func rendered(t *testing.T, d Draft) (string, *config.Config) {
	t.Helper()
	text, err := d.Render()
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("relink.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return text, c
}

func linksOf(c config.App) map[string]string {
	found := map[string]string{}
	for _, i := range c.Instances {
		found[i.Name] = i.Link
	}
	return found
}

func TestLinksIntoOneFolderOfReleases(t *testing.T) {
	root := tree(t, map[string]string{
		"www/club1": "releases/wiki/20260101T120000Z-v1", "www/club2": "releases/wiki/20260101T120000Z-v1", "www/club3": "releases/wiki/20260202T120000Z-v2",
		"sites/shop/current": "sites/shop/releases/7/public",
	}, "releases/wiki/20260101T120000Z-v1/public", "releases/wiki/20260202T120000Z-v2/public", "sites/shop/releases/7/public", "www/old/public")
	at := func(name string) string { return filepath.Join(root, name) }
	tls := site("club1.example.org", at("www/club1/public"))
	tls.URL = "https://127.0.0.1/"
	shop := site("shop.example.net", at("sites/shop/current"))
	shop.Handler, shop.Pool = webserver.ModPHP, ""
	d := Propose(Found{
		Sites: []webserver.Site{
			tls,
			site("club1.example.org", at("www/club1/public")), site("club2.example.org", at("www/club2/public")), site("club3.example.org", at("www/club3/public")),
			shop, site("old.example.org", at("www/old/public")), site("club9.example.org", at("www/club9/public")),
		},
		Pools: []Pool{{"www", pool, "/fpm-status"}, {"idle", "unix:/run/php/idle.sock", ""}},
	})
	for i := range d.Apps {
		for j := range d.Apps[i].Instances {
			d.Apps[i].Instances[j].Status = 200
		}
	}
	text, c := rendered(t, d)
	if len(c.Apps) != 2 {
		t.Fatalf("%d applications:\n%s", len(c.Apps), text)
	}
	wiki, other := c.Apps[0], c.Apps[1]
	if diff := cmp.Diff(map[string]string{"club1": at("www/club1"), "club2": at("www/club2"), "club3": at("www/club3"), "club9": at("www/club9")}, linksOf(wiki)); diff != "" {
		t.Error(diff)
	}
	if wiki.Name != "wiki" || wiki.Releases != at("releases/wiki") || wiki.Docroot != "public" || wiki.LinkTarget != "." {
		t.Errorf("%+v", wiki)
	}
	want := &config.Check{URL: local, Host: "club3.example.org", Status: 200}
	if diff := cmp.Diff(want, wiki.Instances[2].Check, cmpopts.IgnoreFields(config.Check{}, "Timeout")); diff != "" {
		t.Error(diff)
	}
	if other.Name != "shop" || other.Releases != at("sites/shop/releases") || other.LinkTarget != "public" || linksOf(other)["shop"] != at("sites/shop/current") {
		t.Errorf("%+v", other)
	}
	if len(c.Pools) != 1 || c.Pools[0].Address != pool || c.Pools[0].StatusPath != "/fpm-status" {
		t.Errorf("pools %+v", c.Pools)
	}
	for _, says := range []string{
		`check: {url: http://127.0.0.1/, host: "{instance}.example.org"}`, "mod_php", "address: " + pool,
		"mv -T " + at("www/old") + " " + at("www/old") + ".before && ln -s old.before " + at("www/old"),
	} {
		if !strings.Contains(text, says) {
			t.Errorf("the file does not say %s:\n%s", says, text)
		}
	}
}

func TestSitesThatHaveNothingYet(t *testing.T) {
	root := tree(t, nil, "www/html")
	at := func(name string) string { return filepath.Join(root, name) }
	d := Propose(Found{
		Sites: []webserver.Site{
			site("", at("www/html")),
			site("club1.example.org", at("www/club1/public")), site("club2.example.org", at("www/club2/public")),
			site("a.example.org", at("www/a/current/web")), site("bare.example.org", at("www/bare")),
		},
		Pools: []Pool{{"www", pool, ""}},
	})
	text, c := rendered(t, d)
	want := []map[string]string{
		{"club1": at("www/club1"), "club2": at("www/club2")},
		{"a": at("www/a/current")},
		{"bare": at("www/bare")},
	}
	var got []map[string]string
	for _, app := range c.Apps {
		got = append(got, linksOf(app))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	if got := c.Apps[0].Instances[0].Probe; got != (config.Probe{URL: local, Host: "club1.example.org"}) || c.Apps[0].Check != nil {
		t.Errorf("the probe is %+v:\n%s", got, text)
	}
	for _, says := range []string{"pm.status_path = /status", "# check: {url: http://127.0.0.1/, host: \"{instance}.example.org\"}", "any host, /etc/a.conf:1"} {
		if !strings.Contains(text, says) {
			t.Errorf("the file does not say %s:\n%s", says, text)
		}
	}
}

func TestNothingFound(t *testing.T) {
	text, c := rendered(t, Propose(Found{Notes: []string{"nginx 1: it belongs\nto another user"}}))
	if len(c.Apps) != 1 || len(c.Apps[0].Instances) != 2 || c.Apps[0].Docroot != "public" {
		t.Errorf("no skeleton:\n%s", text)
	}
	if !strings.Contains(text, `it belongs\x0ato another user`) {
		t.Errorf("the note is missing:\n%s", text)
	}
}

func TestMassHosting(t *testing.T) {
	root := tree(t, map[string]string{"www/a": "releases/v1", "www/b": "releases/v1", "www/c.example.net": "releases/v1"}, "releases/v1/public", "www/.hidden")
	mass := site("mass.example.org", filepath.Join(root, "www/%1/public"))
	mass.Hosts = append(mass.Hosts, "*.example.org")
	_, c := rendered(t, Propose(Found{Sites: []webserver.Site{mass}}))
	if diff := cmp.Diff(map[string]string{"a": filepath.Join(root, "www/a"), "b": filepath.Join(root, "www/b")}, linksOf(c.Apps[0])); diff != "" {
		t.Error(diff)
	}
}

// Names that YAML, a shell or a comment could take for something else.
func TestStrangeNames(t *testing.T) {
	strange := []string{"null", "1e3", "Küche und Bad", "it's: #{x}", "a\nb", "tab\t", "-dash", `q"uote`, "{ref}"}
	folders := []string{"releases/v1/public"}
	all := map[string]string{}
	var sites []webserver.Site
	for _, name := range strange {
		all["www/"+name] = "releases/v1"
		folders = append(folders, "plain/"+name)
	}
	root := tree(t, all, folders...)
	for _, name := range strange {
		sites = append(sites, site(name, filepath.Join(root, "www", name, "public")), site(name, filepath.Join(root, "plain", name)))
	}
	text, c := rendered(t, Propose(Found{Sites: sites, Notes: strange}))
	if len(c.Apps) != 1 || len(c.Apps[0].Instances) != len(strange)-2 {
		t.Errorf("%d instances:\n%s", len(c.Apps[0].Instances), text)
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "b") {
			t.Errorf("a name has ended its comment: %q", line)
		}
	}
}

func TestAsk(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "b.example.org" {
			http.Redirect(w, r, "https://b.example.org/", http.StatusMovedPermanently)
		}
	}))
	defer server.Close()
	d := Draft{Apps: []App{{Name: "app", Releases: "/srv/releases/app", LinkTarget: ".", Docroot: ".", Instances: []Instance{
		{Name: "a", Link: "/www/a", Host: "a.example.org", URL: server.URL + "/"},
		{Name: "b", Link: "/www/b", Host: "b.example.org", URL: server.URL + "/"},
		{Name: "c", Link: "/www/c", Host: "other.example.org", URL: "https://127.0.0.1/"},
	}}}}
	if err := d.Ask(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, i := range d.Apps[0].Instances {
		got = append(got, i.Status)
	}
	if diff := cmp.Diff([]int{200, 301, 0}, got); diff != "" {
		t.Error(diff)
	}
	text, c := rendered(t, d)
	if got := c.Apps[0].Instances[2].Probe; got != (config.Probe{URL: "https://127.0.0.1/", Host: "other.example.org"}) {
		t.Errorf("the probe is %+v:\n%s", got, text)
	}
	if c.Apps[0].Instances[0].Check == nil || c.Apps[0].Instances[1].Check != nil || !strings.Contains(text, "answered 301") {
		t.Errorf("the checks are wrong:\n%s", text)
	}
}

// What cannot be side by side in a configuration is left out, and said.
func TestConflicts(t *testing.T) {
	root := tree(t, map[string]string{
		"www/a": "releases/v1", "www/b": "releases/more/releases/v2", "releases/c": "releases/v1",
	}, "releases/v1/public", "releases/more/releases/v2/public")
	at := func(name string) string { return filepath.Join(root, name) }
	d := Propose(Found{Sites: []webserver.Site{
		site("a", at("www/a/public")), site("b", at("www/b/public")), site("c", at("releases/c/public")),
		site("d", at("releases/new/public")), site("e", "/var/lib/relink"+t.Name()+"/../relink/x"), site("f", at("releases/v1/public")),
	}})
	text, c := rendered(t, d)
	if diff := cmp.Diff(map[string]string{"a": at("www/a")}, linksOf(c.Apps[0])); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	if len(c.Apps) != 1 || strings.Count(text, "left out") != 4 || strings.Contains(text, "mv -T") {
		t.Errorf("%d applications:\n%s", len(c.Apps), text)
	}
}
