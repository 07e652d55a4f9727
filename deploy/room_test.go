package deploy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/internal/exit"
	"relink/opcache/restart"
)

func TestRoomIsMadeByARestart(t *testing.T) {
	for room, want := range map[restart.Fit]struct {
		restarts int
		moved    bool // the new release is warm after the restart
		action   string
	}{
		restart.FitsNow:          {0, false, "none"},
		restart.FitsAfterRestart: {1, false, "fpm"},
		restart.FitsAfterSwitch:  {1, true, "fpm"},
		restart.NoFit:            {0, false, "none"},
	} {
		app, _ := tree(t)
		caches := fakeCaches{room: room}
		report, err := runWith(t, app, &caches, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(caches.restarts) != want.restarts || report.Restart.Action != want.action {
			t.Errorf("%s: %d restarts, action %s", room, len(caches.restarts), report.Restart.Action)
		}
		for _, on := range caches.restarts {
			to := on.Moved[app.ReleaseDir("v1")]
			if want.moved != (to == app.ReleaseDir(report.Release)) {
				t.Errorf("%s: moved %v", room, on.Moved)
			}
		}
		if warned := strings.Contains(strings.Join(report.Warnings, " "), "no room"); warned != (room == restart.NoFit) {
			t.Errorf("%s: %q", room, report.Warnings)
		}
	}
}

func TestForcedWithoutRoom(t *testing.T) {
	for _, caches := range []fakeCaches{
		{room: restart.FitsAfterSwitch, fails: map[string]error{"quiet": restart.ErrNotQuiet}},
		{room: restart.FitsAfterRestart, fails: map[string]error{"refused": errors.New("not permitted")}},
		{room: restart.FitsAfterRestart, pending: []restart.Pending{{Order: restart.Order{Pools: []string{"unix:/run/a.sock"}}, Last: "GET /export.php"}}},
	} {
		app, _ := tree(t)
		report, err := runWith(t, app, &caches, func(o *Options, _ *Deps) { o.Force = true })
		if err != nil || report.Exit != 0 || !strings.Contains(strings.Join(report.Warnings, " "), "could not be restarted") {
			t.Errorf("%s: %v, warnings %q", caches.room, err, report.Warnings)
		}
	}
}

// The old release has no room beside what the restart has made warm.
func TestUndoneWithoutRoom(t *testing.T) {
	app, _ := tree(t)
	caches := fakeCaches{room: restart.FitsAfterSwitch, fails: map[string]error{"invalidate": errors.New("broken")}}
	report, err := runWith(t, app, &caches, nil)
	if exit.Status(err) != exit.RolledBack || len(caches.restarts) != 2 {
		t.Fatalf("%v, %d restarts", err, len(caches.restarts))
	}
	back := caches.restarts[1].Moved[app.ReleaseDir(report.Release)]
	if back != app.ReleaseDir("v1") {
		t.Errorf("moved back to %s", back)
	}
}

// A restart that was noted as pending and never began is not done by others.
func TestUndoneBeforeTheRestart(t *testing.T) {
	app, _ := tree(t)
	caches := fakeCaches{room: restart.FitsAfterSwitch, fails: map[string]error{"sweep": errors.New("broken")}}
	if _, err := runWith(t, app, &caches, nil); exit.Status(err) != exit.RolledBack || len(caches.restarts) != 0 || caches.takenBack != 1 {
		t.Errorf("%v, %d restarts, taken back %d times", err, len(caches.restarts), caches.takenBack)
	}
}

// A restart that recovery makes up for is not made again for the deploy that follows.
func TestRecoveredRoom(t *testing.T) {
	app, _ := tree(t)
	if err := os.MkdirAll(app.State, 0o755); err != nil {
		t.Fatal(err)
	}
	plan := planTo(t, app, "v2").Needed()
	for _, move := range plan {
		if err := os.Remove(move.Place); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		symlink(t, move.To.Literal, move.Place)
	}
	left := journal.Journal{App: app.Name, Operation: journal.OperationDeploy, Phase: journal.PhaseMoved, ID: "x", Release: "v2", Moves: plan, Started: time.Now()}
	text, err := json.Marshal(left)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(app.JournalFile(), text, 0o644); err != nil {
		t.Fatal(err)
	}
	pool := []string{"unix:/run/a.sock"}
	forRoom := restart.Decision{Action: restart.Reset, Reasons: []restart.Reason{{Figure: restart.FigureFit, Crossed: true}}}
	if err := restart.WritePending(app.State, []restart.Pending{
		{Order: restart.Order{Pools: pool, Decision: forRoom}}, {Order: restart.Order{Pools: []string{"unix:/elsewhere"}, Decision: forRoom}},
	}); err != nil {
		t.Fatal(err)
	}
	caches := fakeCaches{}
	if _, err := runWith(t, app, &caches, nil); err != nil {
		t.Fatal(err)
	}
	if len(caches.restarts) != 1 || caches.restarts[0].Moved[app.ReleaseDir("v1")] != app.ReleaseDir("v2") {
		t.Errorf("restarts %+v, want the one that was left", caches.restarts)
	}
}
