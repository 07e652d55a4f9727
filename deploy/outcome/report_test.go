package outcome

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
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"

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

func exampleReport() *Report {
	r := New("booking", journal.OperationDeploy, "v2", false)
	r.Commit, r.Release = "0123456789abcdef0123456789abcdef01234567", "20261123T054127Z-v2"
	plan := moves.Plan{
		moved("club1", "20261122T120000Z-v1", r.Release), moved("club2", "20261122T120000Z-v1", r.Release),
		moved("club3", "", r.Release), moved("club4", r.Release, r.Release),
	}
	r.Planned(plan)
	r.Stepped("stage", 1234*time.Millisecond)
	r.Stepped("sweep", 8123*time.Microsecond)
	r.CutoverMS = 14.2
	r.Sweep = Sweep{Pools: 1, Workers: 8, Settled: 7, StalePIDs: []int{4711},
		Stale: []opcache.Worker{{Pool: "unix:/run/php/a.sock", PID: 4711, Request: "GET /export.php", Busy: 38 * time.Second}}}
	r.Warm = opcache.WarmResult{Scripts: 300, Failed: []opcache.FailedScript{{Path: "/srv/releases/booking/20261123T054127Z-v2/old.php", Reason: "Cannot redeclare f()"}}}
	r.Invalidated, r.Regained = 2, 1
	r.Restart.Reasons = []string{"96.2 MB free, the next release and its reserve need 30.1 MB"}
	r.Memory = CacheMemory{Before: &Memory{Used: 20 << 20, Free: 100 << 20}, After: &Memory{Used: 34 << 20, Free: 86 << 20, Wasted: 1 << 20}}
	r.SharedBy, r.LiveBytes, r.SavedBytes = 4, 14<<20, 42<<20
	r.Pruned = []string{"20261101T000000Z-v0"}
	r.Warn("warm: one script could not be compiled")
	return r
}

func TestReportText(t *testing.T) {
	wantGolden(t, "report.txt", exampleReport().Text(80))
}

// The JSON is a contract: docs/deploy-report.md. Fields may come, none may go.
func TestReportJSON(t *testing.T) {
	r := exampleReport()
	err := hint.With(exit.As(exit.ErrUnverified, errors.New("settle: not settled")), `run "relink recover"`)
	r.Failed(err, []apps.Serving{{Release: r.Release, Instances: []string{"club1", "club2", "club3", "club4"}}})
	var out bytes.Buffer
	if err := ui.JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "report.json", out.String())
}

func TestAnEmptyReportHasEmptyListsNotNulls(t *testing.T) {
	var out bytes.Buffer
	if err := ui.JSON(&out, New("", journal.OperationDeploy, "", false)); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.Contains(line, "null") && !strings.Contains(line, `"before"`) && !strings.Contains(line, `"after"`) {
			t.Errorf("%s", line)
		}
	}
}

func moved(instance, from, to string) moves.Move {
	target := func(release string) moves.Target {
		if release == "" {
			return moves.Target{}
		}
		return moves.Target{Release: release, Literal: "/rel/" + release, Real: "/rel/" + release}
	}
	return moves.Move{Instance: instance, Link: "/www/" + instance, Place: "/www/" + instance, From: target(from), To: target(to)}
}
