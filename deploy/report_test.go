package deploy

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/webserver"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		write(t, path, got)
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

func exampleReport() *Report {
	r := newReport(Options{App: apps.App{Name: "booking"}, Ref: "v2"}, OperationDeploy)
	r.Commit, r.Release = "0123456789abcdef0123456789abcdef01234567", "20261123T054127Z-v2"
	plan := moves.Plan{
		moveOf("club1", "20261122T120000Z-v1", r.Release), moveOf("club2", "20261122T120000Z-v1", r.Release),
		moveOf("club3", "", r.Release), moveOf("club4", r.Release, r.Release),
	}
	r.planned(plan)
	r.stepped("stage", 1234*time.Millisecond)
	r.stepped("sweep", 8123*time.Microsecond)
	r.CutoverMS = 14.2
	r.Sweep = SweepReport{Pools: 1, Workers: 8, Settled: 7, StalePIDs: []int{4711},
		Stale: []opcache.Worker{{Pool: "unix:/run/php/a.sock", PID: 4711, Request: "GET /export.php", Busy: 38 * time.Second}}}
	r.Warm = opcache.WarmResult{Scripts: 300, Failed: []opcache.FailedScript{{Path: "/srv/releases/booking/20261123T054127Z-v2/old.php", Reason: "Cannot redeclare f()"}}}
	r.Invalidated, r.Regained = 2, 1
	r.Restart.Reasons = []string{"96.2 MB free, the next release and its reserve need 30.1 MB"}
	r.Memory = MemoryReport{Before: &Memory{Used: 20 << 20, Free: 100 << 20}, After: &Memory{Used: 34 << 20, Free: 86 << 20, Wasted: 1 << 20}}
	r.SharedBy, r.LiveBytes, r.SavedBytes = 4, 14<<20, 42<<20
	r.Pruned = []string{"20261101T000000Z-v0"}
	r.warn("warm: one script could not be compiled")
	return r
}

func TestReportText(t *testing.T) {
	var out bytes.Buffer
	if err := exampleReport().Text(&out, 80); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "report.txt", out.String())
}

// The JSON is a contract: docs/deploy-report.md. Fields may come, none may go.
func TestReportJSON(t *testing.T) {
	r := exampleReport()
	err := hint.With(exit.As(exit.ErrUnverified, errors.New("settle: not settled")), `run "relink recover"`)
	r.failed(err, []apps.Serving{{Release: r.Release, Instances: []string{"club1", "club2", "club3", "club4"}}})
	var out bytes.Buffer
	if err := ui.JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "report.json", out.String())
}

func TestAnEmptyReportHasEmptyListsNotNulls(t *testing.T) {
	var out bytes.Buffer
	if err := ui.JSON(&out, newReport(Options{}, OperationDeploy)); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.Contains(line, "null") && !strings.Contains(line, `"before"`) && !strings.Contains(line, `"after"`) {
			t.Errorf("%s", line)
		}
	}
}

func TestStatusText(t *testing.T) {
	since := time.Date(2026, 11, 23, 5, 41, 0, 0, time.Local)
	status := Status{
		App: "booking", SetUp: opcache.Keyed,
		Instances: []InstanceStatus{
			{Name: "club1", Link: "/var/www/club1", State: links.Good, Release: "20261123T054127Z-v2", Since: since, Sites: []SiteStatus{
				{Host: "club1.example.org", Server: "nginx", Handler: webserver.FPM, Pool: "unix:/run/php/php8.2-fpm.sock", OPcache: &CacheOfSite{PID: 4700, Started: since}},
				{Host: "club1.example.org"},
			}},
			{Name: "club2", Link: "/var/www/club2", State: links.Dangling, Release: "20261122T120000Z-v1", Sites: []SiteStatus{
				{Server: "apache", ServerPID: 812, Handler: webserver.ModPHP},
			}},
			{Name: "club3", Link: "/var/www/club3", State: links.Missing},
			{Name: "club4", Link: "/var/www/club4", State: links.Blocked},
		},
		Releases: []ReleaseStatus{
			{Release: "20261123T054127Z-v2", Instances: 1, Cached: &opcache.Footprint{Scripts: 301, Bytes: 14 << 20}},
			{Release: "20261122T120000Z-v1", Instances: 1},
		},
		Pending: &PendingStatus{Operation: OperationDeploy, Release: "20261123T054127Z-v2", Phase: PhaseSettled, Since: since,
			Stale: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711}}},
		Cache: "pool unix:/run/a.sock: nothing listens",
		Notes: []string{"nginx, pid 99: it belongs to another user"},
	}
	var out bytes.Buffer
	if err := status.Text(&out, 80); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "status.txt", out.String())
}

func TestReleasesText(t *testing.T) {
	created := time.Date(2026, 11, 23, 5, 41, 0, 0, time.Local)
	releases := Releases{App: "booking", Releases: []ReleaseRecord{
		{ID: "20261123T054127Z-v2", Created: created, Ref: "v2", Commit: "0123456789abcdef", Bytes: 42 << 20, Live: 30},
		{ID: "20261122T120000Z-v1", Created: created, Ref: "v1", Bytes: 42 << 20, Bad: "check club1: status 500"},
		{ID: "by-hand", Created: created, Foreign: true},
	}}
	var out bytes.Buffer
	if err := releases.Text(&out, 80); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "releases.txt", out.String())
}
