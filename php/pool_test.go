package php

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPathMap(t *testing.T) {
	m := PathMap{
		{Host: "/srv", Pool: "/data"},
		{Host: "/srv/www/", Pool: "/app"},
		{Host: "/jail", Pool: "/"},
	}
	for host, pool := range map[string]string{
		"/srv":              "/data",
		"/srv/x.php":        "/data/x.php",
		"/srv/www":          "/app",
		"/srv/www/a/b.php":  "/app/a/b.php",
		"/srv/www2/a.php":   "/data/www2/a.php",
		"/jail/run/x.php":   "/run/x.php",
		"/jail":             "/",
		"/srvx/a.php":       "/srvx/a.php",
		"/srv/ü ö/\xe9.php": "/data/ü ö/\xe9.php",
	} {
		if got := m.ToPool(host); got != pool {
			t.Errorf("ToPool(%q) = %q, want %q", host, got, pool)
		}
	}
	for pool, host := range map[string]string{"/app/a.php": "/srv/www/a.php", "/data": "/srv", "/run/x.php": "/jail/run/x.php", "/": "/jail"} {
		if got := m.ToHost(pool); got != host {
			t.Errorf("ToHost(%q) = %q, want %q", pool, got, host)
		}
	}
	if got := (PathMap)(nil).ToPool("/a"); got != "/a" {
		t.Error(got)
	}
}

// relink knows files by their real path, whatever link the administrator named.
func TestPathMapThroughALink(t *testing.T) {
	real, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	m := PathMap{{Host: link, Pool: "/app"}, {Host: "/no/such/folder", Pool: "/b"}}.Real()
	for _, host := range []string{real, link} {
		if got := m.ToPool(host + "/x.php"); got != "/app/x.php" {
			t.Errorf("ToPool(%s/x.php) = %s", host, got)
		}
	}
	if got := m.ToHost("/app/x.php"); got != real+"/x.php" {
		t.Errorf("ToHost = %s, want the real path", got)
	}
	if got := m.ToPool("/no/such/folder/x"); got != "/b/x" {
		t.Errorf("a folder that does not exist: %s", got)
	}
}
