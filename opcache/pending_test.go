package opcache_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"relink/opcache"
	"relink/opcache/restart"

	"github.com/gofrs/flock"
)

func itoa(n int) string { return strconv.Itoa(n) }

func order(pool string) []restart.Order {
	return []restart.Order{{Pools: []string{pool}, Decision: restart.Decision{Action: restart.Reset,
		Reasons: []restart.Reason{{Figure: restart.FigureFree, Crossed: true, Text: "1.0 MB free"}}}}}
}

func TestPendingRestartSurvivesAndIsDone(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir(), By: "alice"}
	c := f.connect(opcache.Options{})
	orders := order(f.server.Pool("").Address)
	slow := f.beginSlow("club1")
	o := now(restart.MethodAuto)
	o.Quiet = time.Millisecond
	for try := 1; try <= 2; try++ {
		out, err := ledger.Run(f.ctx, c, orders, o)
		f.must(err)
		if len(out.Pending) != 1 || out.Pending[0].Tries != try || len(out.Masters) != 0 || !strings.Contains(out.Pending[0].Last, "slow.php") {
			t.Errorf("try %d: %+v", try, out)
		}
	}
	out, err := ledger.Resume(f.ctx, c, o)
	f.must(err)
	pending, err := restart.ReadPending(ledger.Dir)
	f.must(err)
	if len(pending) != 1 || pending[0].Tries != 3 || pending[0].Reasons[0].Text != "1.0 MB free" || len(out.Pending) != 1 {
		t.Errorf("%+v, file %+v", out, pending)
	}
	slow.end(f)
	o.Quiet = time.Second
	out, err = ledger.Resume(f.ctx, f.connect(opcache.Options{}), o) // another process
	f.must(err)
	history, err := restart.ReadHistory(ledger.Dir)
	f.must(err)
	if len(out.Masters) != 1 || len(history) != 1 || !history[0].Done() || history[0].By != "alice" || history[0].Reasons[0].Figure != restart.FigureFree {
		t.Errorf("%+v, history %+v", out, history)
	}
	f.wantNothingPending(ledger)
	if len(restart.Of(history, orders[0].Pools)) != 1 || len(restart.Of(history, []string{"unix:/other"})) != 0 {
		t.Errorf("%+v", history)
	}
}

// A command that fails has restarted nothing: the restart is still wanted.
func TestPendingRestartThatFailsStaysPending(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir()}
	c := f.connect(opcache.Options{})
	pool := f.server.Pool("").Address
	o := now(restart.MethodFPM)
	o.Commands = map[string][]string{pool: {"/bin/false"}}
	out, err := ledger.Run(f.ctx, c, order(pool), o)
	if err == nil || len(out.Masters) != 1 || out.Masters[0].Proven {
		t.Errorf("%v: %+v", err, out)
	}
	for try := 2; try <= 3; try++ {
		if _, err = ledger.Resume(f.ctx, c, o); err == nil {
			t.Error("the command did not fail")
		}
		pending, err := restart.ReadPending(ledger.Dir)
		f.must(err)
		if len(pending) != 1 || pending[0].Tries != try || !strings.Contains(pending[0].Last, "/bin/false") {
			t.Errorf("%+v", pending)
		}
	}
	history, err := restart.ReadHistory(ledger.Dir)
	f.must(err)
	if len(history) != 1 || history[0].Done() {
		t.Errorf("one failure is told once: %+v", history)
	}
	o.Commands = nil
	out, err = ledger.Resume(f.ctx, f.connect(opcache.Options{}), o)
	if err != nil || len(out.Masters) != 1 || !out.Masters[0].Proven {
		t.Errorf("%v: %+v", err, out)
	}
	f.wantNothingPending(ledger)
}

func TestExpectedRestartsAreTakenBack(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir()}
	c := f.connect(opcache.Options{})
	usage := f.usage(c)
	other := restart.Pending{Order: restart.Order{Pools: []string{"unix:/other"}, Decision: restart.Decision{Action: restart.Reset}}}
	earlier := restart.Pending{Order: restart.Order{Pools: usage.Pools, Decision: restart.Decision{Action: restart.Reset}}, Last: "earlier", Started: usage.Started, Restarts: usage.Restarts}
	for name, before := range map[string][]restart.Pending{"nothing": {other}, "an earlier one": {other, earlier}} {
		f.must(restart.WritePending(ledger.Dir, before))
		unexpect, err := ledger.Add(f.ctx, c, order(usage.Pools[0]))
		f.must(err)
		noted, err := restart.ReadPending(ledger.Dir)
		f.must(err)
		if len(noted) != 2 || noted[1].Reasons[0].Text != "1.0 MB free" || !noted[1].StillWanted([]opcache.Usage{usage}) || noted[0].StillWanted([]opcache.Usage{usage}) {
			t.Errorf("%s: %+v", name, noted)
		}
		f.must(unexpect())
		after, err := restart.ReadPending(ledger.Dir)
		f.must(err)
		if len(after) != len(before) || after[len(after)-1].Last != before[len(before)-1].Last {
			t.Errorf("%s: %+v", name, after)
		}
	}
	usage.Restarts++
	if earlier.StillWanted([]opcache.Usage{usage}) {
		t.Error("a cache that was restarted since wants no restart")
	}
}

func (f *farm) wantNothingPending(l restart.Queue) {
	f.t.Helper()
	pending, err := restart.ReadPending(l.Dir)
	if err != nil || len(pending) != 0 {
		f.t.Errorf("%+v %v", pending, err)
	}
	if _, err := os.Stat(filepath.Join(l.Dir, restart.PendingFile)); !errors.Is(err, os.ErrNotExist) {
		f.t.Error("the file is left: ", err)
	}
}

func TestPendingRestartIsDroppedWhenOthersRestarted(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir()}
	c := f.connect(opcache.Options{})
	slow := f.beginSlow("club1")
	o := now(restart.MethodAuto)
	o.Quiet = time.Millisecond
	_, err := ledger.Run(f.ctx, c, order(f.server.Pool("").Address), o)
	f.must(err)
	slow.end(f)
	_, err = restart.Now(f.ctx, c, restart.Options{Method: restart.MethodOPcache, WhenQuiet: true, Quiet: time.Second, Wait: 10 * time.Second}) // somebody else
	f.must(err)
	before, workers := f.usage(c), f.workers()
	out, err := ledger.Resume(f.ctx, c, o)
	f.must(err)
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "not needed any more") {
		t.Errorf("%+v", out)
	}
	f.wantNoRestart(c, before, workers)
	f.wantNothingPending(ledger)
}

func TestOnlyOneRestartsAtATime(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir()}
	other := flock.New(filepath.Join(ledger.Dir, "restart.lock"))
	if got, err := other.TryLock(); !got || err != nil {
		t.Fatal(got, err)
	}
	defer other.Unlock()
	_, err := ledger.Run(f.ctx, f.connect(opcache.Options{}), order(f.server.Pool("").Address), now(restart.MethodAuto))
	if !errors.Is(err, restart.ErrRestarting) {
		t.Error(err)
	}
}

// A deploy has warmed the cache that it is about to cut over: nobody empties it
// meanwhile, but that deploy itself.
func TestNothingIsRestartedWhileAnApplicationIsDeployed(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir()}
	deploy := flock.New(filepath.Join(ledger.Dir, "wiki.lock"))
	if got, err := deploy.TryLock(); !got || err != nil {
		t.Fatal(got, err)
	}
	c := f.connect(opcache.Options{})
	before, workers := f.usage(c), f.workers()
	out, err := ledger.Run(f.ctx, c, order(f.server.Pool("").Address), now(restart.MethodAuto))
	f.must(err)
	if len(out.Pending) != 1 || !strings.Contains(out.Pending[0].Last, "wiki") {
		t.Errorf("%+v", out)
	}
	out, err = ledger.Resume(f.ctx, c, now(restart.MethodAuto))
	f.must(err)
	if len(out.Notes) != 1 || len(out.Masters) != 0 {
		t.Errorf("%+v", out)
	}
	f.wantNoRestart(c, before, workers)
	f.must(deploy.Close())
	out, err = ledger.Resume(f.ctx, c, now(restart.MethodAuto))
	f.must(err)
	if len(out.Masters) != 1 {
		t.Errorf("%+v", out)
	}
	f.wantNothingPending(ledger)
}

func TestPendingOfOtherPoolsStays(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	ledger := restart.Queue{Dir: t.TempDir()}
	f.must(restart.WritePending(ledger.Dir, []restart.Pending{{Order: restart.Order{Pools: []string{"unix:/other.sock"}, Decision: restart.Decision{Action: restart.Reset}}}}))
	out, err := ledger.Resume(f.ctx, f.connect(opcache.Options{}), now(restart.MethodAuto))
	f.must(err)
	pending, err := restart.ReadPending(ledger.Dir)
	f.must(err)
	if len(pending) != 1 || len(out.Masters)+len(out.Notes) != 0 {
		t.Errorf("%+v, file %+v", out, pending)
	}
	f.must(restart.ClearPending(ledger.Dir, []string{"unix:/other.sock"}))
	f.wantNothingPending(ledger)
}
