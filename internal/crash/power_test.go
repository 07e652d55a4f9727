package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/deploy"
	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/internal/config"
)

// newVillage is a town without servers, in memory: no cache has to follow.
func newVillage(t *testing.T) *town {
	t.Helper()
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	root, err := os.MkdirTemp(parent, "relink-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	t.Cleanup(cancel)
	w := &town{t: t, ctx: ctx, root: root}
	w.must(errors.Join(os.MkdirAll(w.path("www"), 0o755), os.MkdirAll(w.path("shared/data"), 0o755), os.Mkdir(w.path("state"), 0o755)))
	for i := range refs {
		w.source(fmt.Sprintf("v%d", i+1))
	}
	w.must(os.WriteFile(w.path("relink.yaml"), []byte(strings.ReplaceAll(`state_dir: ROOT/state
reset: never
apps:
  club:
    source: {dir: "ROOT/src/{ref}"}
    releases: ROOT/releases
    keep: 2
    min_free: 1
    shared: [data]
    assets: [css]
    check: off
    probe: off
    instances: {club1: ROOT/www/club1, club2: ROOT/www/club2, club3: ROOT/www/club3}
`, "ROOT", root)), 0o644))
	return w
}

const deploysBefore = 3

// powered are the folders that a power cut is about.
var powered = []string{"state", "releases", "www", "shared"}

// TestPowerCut records what a command does to files, then has the power fail after
// each of its calls: for each state that POSIX allows the disk to be in then, up to
// mostStates of one cut, recover makes everything whole.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	w := newVillage(t)
	for i := range deploysBefore {
		w.good("deploy", fmt.Sprintf("v%d", i+1), "--all")
	}
	cuts, all := 0, 0
	for _, args := range [][]string{{"deploy", "v4", "--all"}, {"deploy", "v5", "--instance", "club2"}, {"rollback", "--all"}} {
		w.must(os.RemoveAll(w.path("before")))
		for _, dir := range powered {
			w.must(copyTree(w.path(dir), w.path("before", dir)))
		}
		done := w.run(order{Log: true, Data: true}, args...)
		if done.code != 0 {
			t.Fatalf("relink %q: exit %d: %s%s", args, done.code, done.stderr, done.out)
		}
		w.must(os.RemoveAll(w.path("after")))
		for _, dir := range powered {
			w.must(copyTree(w.path(dir), w.path("after", dir)))
		}
		c, n := w.cutPower(args[0], matter(done.events))
		cuts, all = cuts+c, all+n
		w.restore("after")
	}
	t.Logf("%d power cuts, %d states of the disk, of each cut %d at most", cuts, all, mostStates)
	if all < 1000 {
		t.Errorf("%d states, want at least 1000", all)
	}
}

func (w *town) cutPower(name string, events []event) (cuts, all int) {
	w.t.Helper()
	lot := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for cut := range len(events) + 1 {
		cuts++
		for _, s := range states(events, cut, lot) {
			key := s.key(cut)
			if seen[key] {
				continue
			}
			seen[key] = true
			all++
			w.restore("before")
			replay(events[:cut], s)
			for _, fault := range w.recovers() {
				w.t.Errorf("%s, power cut after %d calls, lost %v, torn %d: %s", name, cut, s.tell(events), s.torn, fault)
			}
			if w.t.Failed() {
				return cuts, all // one is enough to look for
			}
		}
	}
	return cuts, all
}

func (s state) tell(events []event) (lost []string) {
	for _, i := range s.lost {
		lost = append(lost, events[i].kind())
	}
	return lost
}

// restore puts back what was before.
func (w *town) restore(which string) {
	w.t.Helper()
	for _, dir := range powered {
		w.must(errors.Join(os.RemoveAll(w.path(dir)), copyTree(w.path(which, dir), w.path(dir))))
	}
}

// recovers is relink recover without a process of its own.
func (w *town) recovers() (found []string) {
	c, err := config.Load(w.path("relink.yaml"))
	w.must(err)
	app, err := c.App("")
	w.must(err)
	o := deploy.Options{App: apps.App{App: *app, State: c.StateDir}, Reset: journal.ResetNever, Command: "relink recover"}
	if _, err := deploy.Recover(w.ctx, o, deploy.Deps{}); err != nil {
		found = append(found, "recover: "+err.Error())
	}
	for _, site := range sites {
		if err := w.leads(site); err != nil {
			found = append(found, fmt.Sprintf("%s: %v", site, err))
		}
	}
	if events, err := journal.History(o.App.HistoryFile()); err != nil || len(events) < deploysBefore {
		found = append(found, fmt.Sprintf("the history has %d events: %v", len(events), err))
	}
	left := w.leftovers()
	if j, err := journal.Read(o.App.JournalFile()); err == nil && j != nil && j.Phase == journal.PhaseSettled {
		// What the caches were not told, as nobody was, is kept.
		left = slices.DeleteFunc(left, func(name string) bool { return name == "state/club.journal.json" })
	}
	return append(found, left...)
}
