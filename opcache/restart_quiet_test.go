package opcache_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php/fpm"
)

func TestRestartWaitsForQuiet(t *testing.T) {
	t.Parallel()
	for _, method := range []restart.Method{restart.MethodOPcache, restart.MethodFPM} {
		t.Run(string(method), func(t *testing.T) {
			f := restartFarm(t)
			c := f.connect(opcache.Options{})
			before, workers := f.usage(c), f.workers()
			slow := f.beginSlow("club1")
			o := now(method)
			o.WhenQuiet, o.Wait, o.Quiet = true, time.Minute, time.Millisecond
			waiting := make(chan error, 1)
			o.Waiting = func(err error) {
				select {
				case waiting <- err:
				default:
				}
			}
			done := make(chan restart.MasterRestart, 1)
			go func() {
				result, err := restart.Now(f.ctx, c, o)
				if err != nil || len(result) != 1 {
					t.Error(result, err)
					close(done)
					return
				}
				done <- result[0]
			}()
			select {
			case why := <-waiting:
				f.wantRefused(why, restart.ErrNotQuiet, "GET /slow.php")
			case <-f.ctx.Done():
				t.Fatal("nothing was waited for")
			}
			f.wantNoRestart(f.connect(opcache.Options{}), before, workers)
			if body := slow.end(f); !strings.Contains(body, "slow v1") {
				t.Errorf("the request in flight got %q", body)
			}
			if got := <-done; got.Waited == 0 || got.Action == "" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestRestartRefusedWhileARequestRuns(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	c := f.connect(opcache.Options{})
	before, workers := f.usage(c), f.workers()
	slow := f.beginSlow("club1")
	o := now(restart.MethodOPcache)
	o.Quiet = time.Millisecond
	_, err := restart.Now(f.ctx, c, o)
	f.wantRefused(err, restart.ErrNotQuiet, "GET /slow.php", "--when-quiet", "--force")
	o.WhenQuiet, o.Wait = true, 300*time.Millisecond
	_, err = restart.Now(f.ctx, c, o)
	f.wantRefused(err, restart.ErrNotQuiet, "GET /slow.php")
	f.wantNoRestart(c, before, workers)

	o.Force, o.Limit = true, time.Second
	_, err = restart.Now(f.ctx, c, o) // OPcache itself waits for the request
	if err == nil || !strings.Contains(err.Error(), "scheduled but has not happened") || len(hint.Of(err)) == 0 {
		t.Error(err)
	}
	slow.end(f)
}

// An idle persistent connection keeps an FPM reload, and all requests with it,
// waiting for process_control_timeout. OPcache does not mind it.
func TestHeldWorkerIsNotQuietForFPM(t *testing.T) {
	t.Parallel()
	f := newFarm(t, farmOptions{Options: sandbox.Options{EnableReuse: true, Masters: []sandbox.Master{fpmMaster("php")}}})
	c := f.connect(opcache.Options{})
	f.get("club1", "index.php")
	o := now(restart.MethodFPM)
	o.Quiet = time.Millisecond
	_, err := restart.Now(f.ctx, c, o)
	f.wantRefused(err, restart.ErrNotQuiet, "held by a connection without a request", "enablereuse=on")
	o.Method = restart.MethodOPcache
	f.restart(c, o)
}

func TestRestartOfAPoolWithoutStatusPage(t *testing.T) {
	t.Parallel()
	for name, blind := range map[string]sandbox.Pool{
		"its own":      {Name: "www", Workers: 2, NoStatusPage: true},
		"of a sibling": {Name: "other", Workers: 1, NoStatusPage: true},
	} {
		t.Run(name, func(t *testing.T) {
			pools := []sandbox.Pool{blind}
			if blind.Name != "www" {
				pools = []sandbox.Pool{{Name: "www", Workers: 2}, blind}
			}
			f := restartFarm(t, fpmMaster("php", pools...))
			c, err := opcache.Connect(f.ctx, f.pools()[:1], ordinary(opcache.Options{}))
			f.must(err)
			before, workers := f.usage(c), f.workers()
			address := f.server.Pool(blind.Name).Address
			for _, method := range []restart.Method{restart.MethodOPcache, restart.MethodFPM} {
				o := now(method)
				o.WhenQuiet, o.Wait = true, time.Hour // waiting would not help
				_, err = restart.Now(f.ctx, c, o)
				f.wantRefused(err, restart.ErrQuietUnknown, address, "pm.status_path = /fpm-status", "--force")
				f.wantRefused(err, restart.ErrNotQuiet)
			}
			f.wantNoRestart(c, before, workers)
			o := now(restart.MethodAuto)
			o.Force = true
			if got := f.restart(c, o); len(got.Notes) != 1 || !strings.Contains(got.Notes[0], address) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A rehearsal meets what the restart would meet, and does nothing.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	kills := sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}}
	for name, tt := range map[string]struct {
		master sandbox.Master
		method restart.Method
		want   error
	}{
		"nothing speaks against a reload":    {fpmMaster("php"), restart.MethodFPM, nil},
		"nor against a reset":                {fpmMaster("php"), restart.MethodOPcache, nil},
		"a reload kills requests":            {kills, restart.MethodFPM, fpm.ErrKillsRequests},
		"a reset in place of such a reload":  {kills, restart.MethodAuto, nil},
		"a request runs, and is waited for":  {fpmMaster("php"), restart.MethodAuto, restart.ErrNotQuiet},
		"also before a reset in its place":   {kills, restart.MethodAuto, restart.ErrNotQuiet},
		"a refused reload waits for nothing": {kills, restart.MethodFPM, fpm.ErrKillsRequests},
	} {
		t.Run(name, func(t *testing.T) {
			f := restartFarm(t, tt.master)
			c := f.connect(opcache.Options{})
			before, workers := f.usage(c), f.workers()
			o := now(tt.method)
			if tt.want == restart.ErrNotQuiet {
				slow := f.beginSlow("club1")
				defer slow.end(f)
				o.WhenQuiet, o.Wait, o.Quiet = true, 100*time.Millisecond, time.Millisecond
			}
			err := restart.CheckRestart(f.ctx, c, order(f.server.Pool("").Address), o)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			f.wantNoRestart(c, before, workers)
		})
	}
}
