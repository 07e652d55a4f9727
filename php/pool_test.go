package php

import "testing"

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
