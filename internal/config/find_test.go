package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/config"

	"github.com/google/go-cmp/cmp"
)

// www is a folder with sites, and with what else lies in such a folder.
func www(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "w w")
	for _, name := range []string{"club1", "zürich", "site-a", "html", ".hidden", "lost+found"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"moved": "club1", "broken": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func from(rest string) string {
	return strings.Replace(smallest, "instances: {club1: /var/www/club1}", rest, 1)
}

func TestInstancesAreFoundByPattern(t *testing.T) {
	dir := www(t)
	for _, c := range []struct {
		yaml string
		want map[string]string
	}{
		{
			`instances_from: {pattern: "DIR/*/current", except: [html]}`,
			map[string]string{"club1": "club1/current", "moved": "moved/current", "site-a": "site-a/current", "zürich": "zürich/current"},
		},
		{`instances_from: "DIR/site-*/htdocs/current"`, map[string]string{"a": "site-a/htdocs/current"}},
		{`instances_from: "DIR/*"`, map[string]string{"moved": "moved", "broken": "broken"}},
		{`instances_from: "DIR/none-*/current"`, map[string]string{}},
		{`instances_from: "DIR/missing/*/current"`, map[string]string{}},
	} {
		t.Run(c.yaml, func(t *testing.T) {
			loaded := parse(t, from(strings.ReplaceAll(c.yaml, "DIR", dir)))
			got := map[string]string{}
			for _, i := range loaded.Apps[0].Instances {
				got[i.Name], _ = filepath.Rel(dir, i.Link)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			roundTrip(t, loaded)
		})
	}
}

func TestFoundInstancesFollowTheListedOnes(t *testing.T) {
	dir := www(t)
	c := parse(t, from(`instances: {listed: /elsewhere/listed}
    instances_from: {pattern: "`+dir+`/site-*/current"}
    check: {url: "http://127.0.0.1/{instance}", host: "{instance}.example.org", contains: "Welcome to {instance}"}`))
	if got := c.Apps[0].Instances; len(got) != 2 || got[0].Name != "listed" || got[1].Name != "a" || !got[1].Found ||
		got[1].Check.Host != "a.example.org" || got[1].Check.URL != "http://127.0.0.1/a" || got[1].Check.Contains != "Welcome to a" {
		t.Errorf("%+v", got)
	}
	if want := "# found: apps.booking.instances.a: " + dir + "/site-a/current\n"; !strings.HasSuffix(show(t, c, "yaml"), want) {
		t.Errorf("show does not end with %q", want)
	}
	roundTrip(t, c)
}

func TestCollisionsOfFoundInstances(t *testing.T) {
	dir := www(t)
	if err := os.Mkdir(filepath.Join(dir, "my site"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := from(`instances: {club1: /elsewhere/club1, other: "` + dir + `/html/current"}
    instances_from: "` + dir + `/*/current"`)
	_, err := config.Parse("relink.yaml", []byte(text))
	if !errors.Is(err, config.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{
		`relink.yaml:7:21: apps.booking.instances_from: finds "club1" (` + dir + `/club1/current), which is another instance's name already; list it or find it, not both (instances_from.except)`,
		`relink.yaml:7:21: apps.booking.instances_from: ` + dir + `/my site/current gives the name "my site", which must consist of`,
		`relink.yaml:7:21: apps.booking.instances_from: ` + dir + `/html/current is the link of booking/other already`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%v", want, err)
		}
	}
}

func TestPatternInAFileIsRefused(t *testing.T) {
	dir := www(t)
	_, err := config.Parse("relink.yaml", []byte(from(`instances_from: {pattern: "`+dir+`/index.html/*/current"}`)))
	if err == nil || !strings.Contains(err.Error(), "apps.booking.instances_from.pattern: cannot look for instances: open "+dir+"/index.html/: not a directory") {
		t.Error(err)
	}
}
