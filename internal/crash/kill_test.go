package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relink/health"
	"relink/health/render"
)

// killed is a command that is ended at each of its calls.
type killed struct {
	name      string
	all       bool                   // calls, also those that are much the same as others
	prepare   func(w *town)          // before each run
	args      func(w *town) []string // of each run
	again     bool                   // only the same command puts it right: relink knows of no move
	interrupt func(call event) bool  // the command is recover; this call ended the deploy before it
}

var commands = []killed{
	{name: "deploy to all", args: func(w *town) []string { return []string{"deploy", w.next("club1"), "--all"} }},
	{name: "deploy to one", args: func(w *town) []string { return []string{"deploy", w.next("club2"), "--instance", "club2"} }},
	{name: "deploy with a restart", args: func(w *town) []string { return []string{"deploy", w.next("club1"), "--all", "--reset", "always"} }},
	{name: "first deploy of a site", prepare: func(w *town) { w.must(os.RemoveAll(w.path("www", newSite))) },
		args: func(w *town) []string { return []string{"deploy", w.next("club1"), "--all"} }},
	{name: "rollback", prepare: func(w *town) { w.good("deploy", w.next("club1"), "--all") },
		args: func(*town) []string { return []string{"rollback", "--all"} }},
	{name: "prune", prepare: (*town).spare, args: func(*town) []string { return []string{"prune", "--force"} }},
	{name: "refresh", all: true, again: true, prepare: (*town).moveByHand, args: func(w *town) []string {
		return []string{"opcache", "refresh", "--from", w.from, "--to", w.to}
	}},
	{name: "deploy to all, in a slot", args: func(w *town) []string { return []string{"deploy", w.next("club1"), "--all"} }},
	{name: "recover back", interrupt: func(e event) bool { return e.Call == "rename" && filepath.Base(e.To) == "club2" }},
	{name: "recover forward", interrupt: func(e event) bool { return e.Call == "write" && filepath.Base(e.Path) == "club.history.jsonl" }},
	{name: "recover the staging", interrupt: func(e event) bool { return e.Call == "syncfs" }},
	{name: "bring back", prepare: func(w *town) {
		w.settings("keep: 9")
		for range 2 {
			w.good("deploy", w.next("club1"), "--all")
		}
		for len(w.putAway()) == 0 { // as many as there are slots to be had
			w.good("deploy", w.next("club1"), "--all")
		}
	}, args: func(w *town) []string { return []string{"rollback", "--all", "--to", w.putAway()[0]} }},
}

// servers that commands are killed on at the same time: each case waits for most of its time.
const servers = 4

// TestKilled ends each command at its calls, puts things right by recover or by the next
// deploy in turn, and wants everything whole. Of calls that the commands have in common
// it takes some in turn, or all with RELINK_EVERY_POINT (make test-kill).
func TestKilled(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	total, requests := counts{}, 0
	t.Run("commands", func(t *testing.T) {
		seen := []*kinds{{at: map[string]bool{}}, {at: map[string]bool{}}}
		for server := range servers {
			t.Run(fmt.Sprint("server", server+1), func(t *testing.T) {
				t.Parallel()
				half := server % 2 // of the second one, releases are made in slots
				w := newTownFor(t, 55*time.Minute, []map[string]string{nil, withSlots}[half])
				w.good("deploy", "v1", "--all")
				w.good("deploy", "v2", "--all")
				w.beginLoad()
				for i, c := range commands {
					if i%servers == server {
						n := w.kill(c, seen[half])
						mu.Lock()
						total = total.plus(n)
						mu.Unlock()
					}
				}
				result := w.endLoad()
				mu.Lock()
				requests += result.Requests
				mu.Unlock()
			})
		}
	})
	t.Logf("in all: %s, %d requests, none failed", total, requests)
	if total.killed < 300 {
		t.Errorf("%d kill points, want at least 300", total.killed)
	}
}

// counts are of what was done.
type counts struct{ points, killed, tooLate, faults int }

func (c counts) plus(d counts) counts {
	return counts{c.points + d.points, c.killed + d.killed, c.tooLate + d.tooLate, c.faults + d.faults}
}

func (c counts) String() string {
	return fmt.Sprintf("%d points, killed at %d, ended before %d, %d faults", c.points, c.killed, c.tooLate, c.faults)
}

// kinds are the kinds of calls at which commands were killed.
type kinds struct {
	mu sync.Mutex
	at map[string]bool
}

// kill ends a command at its points, and then counts. seen is of the commands before it,
// with the same PHP.
func (w *town) kill(c killed, seen *kinds) (n counts) {
	w.t.Helper()
	began := time.Now()
	if c.interrupt != nil {
		events := w.record("deploy", w.next("club1"), "--all")
		call := slices.IndexFunc(events, c.interrupt)
		if call < 0 {
			w.t.Errorf("%s: no call of a deploy is the one to be killed at", c.name)
			return n
		}
		c.prepare = func(w *town) { w.run(order{First: events[call].kind()}, "deploy", w.next("club1"), "--all") }
		c.args = func(*town) []string { return []string{"recover"} }
	}
	w.ready(c)
	points := choose(w.record(c.args(w)...), c.all)
	if !c.all && c.interrupt == nil && os.Getenv(everyPoint) == "" {
		points = seen.turns(points)
	}
	n.points = len(points)
	for i, point := range points {
		w.ready(c)
		args := c.args(w)
		done := w.run(order{Kill: point.N}, args...)
		switch {
		case done.code == -1:
			n.killed++
		case done.code == 0:
			n.tooLate++
		default:
			w.t.Errorf("%s, before %s: exit %d: %s", c.name, point.kind(), done.code, done.stderr)
			n.faults++
		}
		right := []string{"recover"}
		if c.again {
			right = args
		} else if i%3 == 2 {
			right = []string{"deploy", w.next("club1"), "--all"} // which recovers first
		}
		for _, fault := range w.putRight(right, i%4 == 3) {
			w.t.Errorf("%s, killed before %d %s: %s", c.name, point.N, point.kind(), fault)
			n.faults++
		}
	}
	w.good("deploy", w.next("club1"), "--all")
	w.t.Logf("%s: %s, %s", c.name, n, time.Since(began).Round(time.Second))
	return n
}

func (w *town) ready(c killed) {
	if c.prepare != nil {
		c.prepare(w)
	}
}

// putRight runs what puts things right; then all has to be whole, and in good health.
func (w *town) putRight(args []string, health bool) (faults []string) {
	if done := w.relink(args...); done.code != 0 {
		faults = append(faults, fmt.Sprintf("%q: exit %d: %s", args, done.code, done.stderr))
	}
	if health && exists(w.path("www", newSite)) { // a site without a link is no good health
		faults = append(faults, notOK(w.relink("health").out)...)
	}
	return append(faults, w.wrong()...)
}

// choose leaves out what is much the same, unless all are wanted: of connections in a row
// to one address all but the first and the last, each further call of a kind, and all but
// one of each call on the files of a release that is made.
func choose(events []event, all bool) (points []event) {
	if all {
		return events
	}
	seen := map[string]bool{}
	for i, e := range events {
		between := i > 0 && i+1 < len(events) && e.Call == "connect" && events[i-1].kind() == e.kind() && events[i+1].kind() == e.kind()
		kind := e.kind()
		if before, _, staged := strings.Cut(kind, "/.staging-"); staged {
			kind = before
		}
		if !between && !seen[kind] {
			points = append(points, e)
		}
		seen[kind] = true
	}
	return points
}

// everyPoint is the environment variable with which no point is left out.
const everyPoint = "RELINK_EVERY_POINT"

// oneIn is how many of the points are taken at whose kind of call an earlier command
// was killed with the same PHP: steps that the commands have in common.
const oneIn = 4

// turns takes all points of new kinds, and some of the others, in turn.
func (k *kinds) turns(points []event) (taken []event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := 0
	for _, point := range points {
		if k.at[point.kind()] {
			if known++; known%oneIn != 0 {
				continue
			}
		}
		taken = append(taken, point)
	}
	for _, point := range points {
		k.at[point.kind()] = true
	}
	return taken
}

// notOK are the results of relink health that are not OK, but for the one that says
// that the last deploy was interrupted, which is so.
func notOK(out []byte) (found []string) {
	var document render.Document
	if err := json.Unmarshal(out, &document); err != nil {
		return []string{fmt.Sprintf("health: %v: %s", err, out)}
	}
	for _, r := range document.Results {
		if r.State != health.OK && !(r.Check == "deploy" && strings.HasSuffix(r.Message, "was rolled back: interrupted")) {
			found = append(found, fmt.Sprintf("health: %s %s: %s", r.Check, r.Subject, r.Message))
		}
	}
	return found
}
