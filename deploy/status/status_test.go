package status

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/internal/links"
	"relink/opcache"
	"relink/php/webserver"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
	if filepath.Ext(name) == ".json" {
		return
	}
	for line := range strings.Lines(got) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > 80 {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
}

func TestStatusText(t *testing.T) {
	since := time.Date(2026, 11, 23, 5, 41, 0, 0, time.Local)
	status := Status{
		App: "booking", SetUp: opcache.Keyed,
		Instances: []Instance{
			{Name: "club1", Link: "/var/www/club1", State: links.Good, Release: "20261123T054127Z-v2", Since: since, Sites: []Site{
				{Host: "club1.example.org", Server: "nginx", Handler: webserver.FPM, Pool: "unix:/run/php/php8.2-fpm.sock", OPcache: &CacheOfSite{PID: 4700, Started: since}},
				{Host: "club1.example.org"},
			}},
			{Name: "club2", Link: "/var/www/club2", State: links.Dangling, Release: "20261122T120000Z-v1", Sites: []Site{
				{Server: "apache", ServerPID: 812, Handler: webserver.ModPHP},
			}},
			{Name: "club3", Link: "/var/www/club3", State: links.Missing},
			{Name: "club4", Link: "/var/www/club4", State: links.Blocked},
		},
		Releases: []InUse{
			{Release: "20261123T054127Z-v2", Instances: 1, Cached: &opcache.Footprint{Scripts: 301, Bytes: 14 << 20}},
			{Release: "20261122T120000Z-v1", Instances: 1},
		},
		Pending: &Pending{Operation: journal.OperationDeploy, Release: "20261123T054127Z-v2", Phase: journal.PhaseSettled, Since: since,
			Stale: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711}}},
		Cache: "pool unix:/run/a.sock: nothing listens",
		Notes: []string{"nginx, pid 99: it belongs to another user"},
	}
	wantGolden(t, "status.txt", status.Text(80))
}

func TestReleasesText(t *testing.T) {
	created := time.Date(2026, 11, 23, 5, 41, 0, 0, time.Local)
	releases := Releases{App: "booking", Releases: []Release{
		{ID: "20261123T054127Z-v2", Created: created, Ref: "v2", Commit: "0123456789abcdef", Bytes: 42 << 20, Live: 30},
		{ID: "20261122T120000Z-v1", Created: created, Ref: "v1", Bytes: 42 << 20, Bad: "check club1: status 500"},
		{ID: "by-hand", Created: created, Foreign: true},
	}}
	wantGolden(t, "releases.txt", releases.Text(80))
}
