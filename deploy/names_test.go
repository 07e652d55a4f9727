package deploy

import (
	"os"
	"strings"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/moves"
)

// OPcache may hold keys that lead to where a release was once: one that is made in the same
// second, and has been removed since, gives its name to no other.
func TestNoReleaseGetsTheNameOfOneThatWasThereOnce(t *testing.T) {
	app, _ := tree(t)
	once := map[string]bool{}
	var plan moves.Plan
	for at := time.Now(); len(once) < 60; at = at.Add(time.Second) {
		id := at.UTC().Format("20060102T150405Z") + "-v3"
		once[id] = true
		plan = append(plan, moves.Move{Instance: "club1", From: moves.Target{Release: id, Real: "/gone"}, To: moves.Target{Release: "v1", Real: "/v1"}})
	}
	if err := os.MkdirAll(app.State, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := journal.Record(app.HistoryFile(), journal.Event{Operation: journal.OperationDeploy, Moves: plan}); err != nil {
		t.Fatal(err)
	}
	report, err := runWith(t, app, &fakeCaches{}, nil)
	if err != nil || once[report.Release] || !strings.HasSuffix(report.Release, "-v3-2") {
		t.Errorf("%s, %v", report.Release, err)
	}
}
