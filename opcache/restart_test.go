package opcache_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/internal/sandbox/load"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php/fpm"
)

// fpmMaster lets requests end before its workers do, so that it may be reloaded.
func fpmMaster(name string, pools ...sandbox.Pool) sandbox.Master {
	if len(pools) == 0 {
		pools = []sandbox.Pool{{Name: name + "-www", Workers: 4}}
	}
	return sandbox.Master{Name: name, Settings: map[string]string{"process_control_timeout": "10s"}, Pools: pools}
}

func restartFarm(t *testing.T, masters ...sandbox.Master) *farm {
	t.Helper()
	if len(masters) == 0 {
		masters = []sandbox.Master{fpmMaster("php")}
	}
	return newFarm(t, farmOptions{Options: sandbox.Options{Masters: masters}})
}

// now asks for a restart that does not wait, unless the request says otherwise.
func now(method restart.Method) restart.Options {
	return restart.Options{Method: method, Quiet: 200 * time.Millisecond, Limit: 20 * time.Second, Warm: true}
}

func (f *farm) restart(c *opcache.Caches, o restart.Options) restart.MasterRestart {
	f.t.Helper()
	result, err := restart.Now(f.ctx, c, o)
	f.must(err)
	if len(result) != 1 {
		f.t.Fatalf("%+v", result)
	}
	return result[0]
}

func (f *farm) usage(c *opcache.Caches) opcache.Usage {
	f.t.Helper()
	usages, err := c.Usage(f.ctx)
	f.must(err)
	return usages[0]
}

func (f *farm) workers() []int {
	f.t.Helper()
	pids, err := f.server.WorkerPIDs("")
	f.must(err)
	slices.Sort(pids)
	return pids
}

func (f *farm) wantNoRestart(c *opcache.Caches, before opcache.Usage, workers []int) {
	f.t.Helper()
	if after := f.usage(c); after.Restarts != before.Restarts || after.Pending || !after.Started.Equal(before.Started) {
		f.t.Errorf("%+v became %+v", before, after)
	}
	if now := f.workers(); !slices.Equal(now, workers) {
		f.t.Errorf("workers %v became %v", workers, now)
	}
}

func (f *farm) wantRefused(err, want error, texts ...string) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("%v, want %v", err, want)
	}
	all := err.Error() + "\n" + strings.Join(hint.Of(err), "\n")
	for _, text := range texts {
		if !strings.Contains(all, text) {
			f.t.Errorf("%s\ndoes not tell %q", all, text)
		}
	}
}

// wantWarm asks for pages that were hot and wants no compilation.
func (f *farm) wantWarm(c *opcache.Caches, pages ...string) {
	f.t.Helper()
	before := f.usage(c).Misses
	f.heat(pages...)
	if misses := f.usage(c).Misses - before; misses != 0 {
		f.t.Errorf("%d misses after the warm", misses)
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	for method, action := range map[restart.Method]restart.Action{
		restart.MethodAuto: restart.ReloadFPM, restart.MethodOPcache: restart.Reset, restart.MethodFPM: restart.ReloadFPM,
	} {
		t.Run(string(method), func(t *testing.T) {
			f := restartFarm(t)
			f.heat("index.php", "page.php")
			c := f.connect(opcache.Options{})
			workers := f.workers()
			got := f.restart(c, now(method))
			if got.Action != action || got.PID != f.server.Pool("").MasterPID || len(got.Notes) != 0 {
				t.Errorf("%+v", got)
			}
			if fresh := !slices.Equal(workers, f.workers()); fresh != (action == restart.ReloadFPM) {
				t.Errorf("workers %v, now %v", workers, f.workers())
			}
			if action == restart.Reset && got.After.Restarts != got.Before.Restarts+1 {
				t.Errorf("%d restarts, then %d", got.Before.Restarts, got.After.Restarts)
			}
			if got.Warm.Scripts < 3 || len(got.Warm.Failed) != 0 {
				t.Errorf("%+v", got.Warm)
			}
			f.wantWarm(c, "index.php", "page.php")
		})
	}
}

// The caches know their workers and masters also after a reload.
func TestCachesWorkOnAfterAReload(t *testing.T) {
	t.Parallel()
	f := restartFarm(t, fpmMaster("php", sandbox.Pool{Name: "www", Workers: 2}, sandbox.Pool{Name: "other", Workers: 1}))
	c := f.connect(opcache.Options{})
	f.restart(c, now(restart.MethodFPM))
	f.heat("index.php")
	links := f.links("v1", "v2")
	s, err := c.Observe(f.ctx, links, opcache.Keyed)
	f.must(err)
	f.move(links)
	_, err = s.Sweep(f.ctx)
	f.must(err)
	_, err = s.Invalidate(f.ctx)
	f.must(err)
	f.expect("club1", "index.php", "v2")
	if usages, err := c.Usage(f.ctx); err != nil || len(usages) != 1 || len(usages[0].Pools) != 2 {
		t.Errorf("%+v %v", usages, err)
	}
}

// What cannot be done is told before anybody waits for it.
func TestReloadIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	f := restartFarm(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}})
	c := f.connect(opcache.Options{})
	before, workers := f.usage(c), f.workers()
	slow := f.beginSlow("club1")
	o := now(restart.MethodFPM)
	o.WhenQuiet, o.Wait, o.Quiet = true, time.Hour, time.Millisecond
	_, err := restart.Now(f.ctx, c, o)
	f.wantRefused(err, fpm.ErrKillsRequests, "process_control_timeout is 0")
	f.wantNoRestart(c, before, workers)
	slow.end(f)
}

// Where a reload would lose requests, the cache is reset instead, and it says so.
func TestAutoResetsWhereAReloadWouldKillRequests(t *testing.T) {
	t.Parallel()
	f := restartFarm(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 2}}})
	c := f.connect(opcache.Options{})
	workers := f.workers()
	got := f.restart(c, now(restart.MethodAuto))
	if got.Action != restart.Reset || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "process_control_timeout is 0") {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(workers, f.workers()) {
		t.Errorf("workers %v, now %v", workers, f.workers())
	}
}

func TestRestartByCommand(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	c := f.connect(opcache.Options{})
	marker := filepath.Join(t.TempDir(), "done")
	o := now(restart.MethodFPM)
	o.Commands = map[string][]string{f.server.Pool("").Address: {"/bin/sh", "-c", `touch "$0" && kill -USR2 "$1"`, marker, itoa(f.server.Pool("").MasterPID)}}
	f.restart(c, o)
	if _, err := os.Stat(marker); err != nil {
		t.Error(err)
	}
}

func TestPreloadNeedsAnFPMReload(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	preload := filepath.Join(f.www, "preload.php")
	f.must(os.WriteFile(preload, []byte("<?php opcache_compile_file('"+f.link("club1")+"/inc/a.php');"), 0o644))
	master := fpmMaster("php")
	master.INI = map[string]string{"opcache.preload": preload}
	if os.Geteuid() == 0 {
		master.INI["opcache.preload_user"] = "www-data"
	}
	f = f.again(master)
	c := f.connect(opcache.Options{})
	before, workers := f.usage(c), f.workers()
	_, err := restart.Now(f.ctx, c, now(restart.MethodOPcache))
	f.wantRefused(err, restart.ErrPreload, "--method fpm")
	f.wantNoRestart(c, before, workers)
	got := f.restart(c, now(restart.MethodAuto))
	if got.Action != restart.ReloadFPM || got.Before.Preloaded == 0 || got.After.Preloaded == 0 {
		t.Errorf("%+v", got)
	}
	forced := now(restart.MethodOPcache)
	forced.Force = true
	if got := f.restart(c, forced); got.Action != restart.Reset || len(got.Notes) == 0 {
		t.Errorf("%+v", got)
	}
}

// again starts another server on the same sites.
func (f *farm) again(masters ...sandbox.Master) *farm {
	f.t.Helper()
	server, err := sandbox.Start(f.ctx, sandbox.Options{Masters: masters, NoApache: true})
	f.must(err)
	f.t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			f.t.Error(err)
		}
	})
	second := *f
	second.server = server
	return &second
}

func TestMastersAreRestartedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	f := restartFarm(t, fpmMaster("a"), fpmMaster("b"))
	c := f.connect(opcache.Options{})
	result, err := restart.Now(f.ctx, c, now(restart.MethodFPM))
	f.must(err)
	if len(result) != 2 || result[1].Time.Before(result[0].Time.Add(result[0].Took)) {
		t.Errorf("%+v", result)
	}
	only := now(restart.MethodOPcache)
	only.Only = []string{f.server.Pool("b-www").Address}
	if got := f.restart(c, only); !slices.Equal(got.Pools, only.Only) {
		t.Errorf("%+v", got)
	}
}

// The first master does not come back: the second one must not be touched.
func TestFailedReloadStopsTheRound(t *testing.T) {
	t.Parallel()
	f := restartFarm(t, fpmMaster("a"), fpmMaster("b"))
	c := f.connect(opcache.Options{})
	config := filepath.Join(f.server.Root(), "conf", "a.conf")
	o := now(restart.MethodFPM)
	o.Commands = map[string][]string{f.server.Pool("a-www").Address: {"/bin/sh", "-c", `echo 'garbage = 1' >> "$0" && kill -USR2 "$1"`, config, itoa(f.server.Pool("a-www").MasterPID)}}
	before, err := f.server.WorkerPIDs("b-www")
	f.must(err)
	result, err := restart.Now(f.ctx, c, o)
	f.wantRefused(err, fpm.ErrNotBack, "unknown entry 'garbage'")
	if len(result) != 1 || result[0].Action != restart.ReloadFPM {
		t.Errorf("%+v", result)
	}
	if after, err := f.server.WorkerPIDs("b-www"); err != nil || !slices.Equal(before, after) {
		t.Errorf("workers %v became %v (%v)", before, after, err)
	}
}

func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	for _, method := range []restart.Method{restart.MethodOPcache, restart.MethodFPM} {
		t.Run(string(method), func(t *testing.T) {
			f := restartFarm(t)
			f.heat("index.php", "page.php")
			c := f.connect(opcache.Options{})
			running, err := load.Run(f.ctx, load.Options{URL: f.server.URL(), Hosts: []string{"club1.test"}, Paths: []string{"/index.php", "/page.php"}, Clients: 3})
			f.must(err)
			defer running.Stop()
			o := now(method)
			o.WhenQuiet, o.Wait, o.Quiet = true, 30*time.Second, time.Second
			f.restart(c, o)
			if result := running.Stop(); result.Errors != 0 {
				t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
			}
		})
	}
}

func TestRestartOfApache(t *testing.T) {
	t.Parallel()
	f := restartFarm(t)
	c := f.connect(opcache.Options{})
	apache := "exec /usr/sbin/apache2 -d '" + f.server.Root() + "' -f '" + f.server.Root() + "/conf/apache.conf'"
	control := filepath.Join(t.TempDir(), "apachectl")
	f.must(os.WriteFile(control, []byte("#!/bin/sh\ncase $1 in\nconfigtest) "+apache+" -t ;;\ngraceful) "+apache+" -k graceful ;;\n*) "+apache+" \"$@\" ;;\nesac\n"), 0o755))
	o := now(restart.MethodApache)
	o.Apache, o.ApacheStatus = control, f.server.URL()+"/server-status"
	if got := f.restart(c, o); got.Action != restart.ReloadApache || got.PID == 0 || len(got.Notes) == 0 {
		t.Errorf("%+v", got)
	}
	f.get("club1", "index.php")
}
