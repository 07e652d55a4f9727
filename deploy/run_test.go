package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/apps"
	"relink/deploy/outcome"
	"relink/deploy/source"
	"relink/deploy/status"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/trust"
	"relink/opcache"
	"relink/opcache/filecache"
	"relink/opcache/restart"
	"relink/php"
	"relink/php/probe"
)

// fakeSource makes releases of one file.
type fakeSource struct{ fails error }

func (s fakeSource) Resolve(_ context.Context, ref string) (source.Resolved, error) {
	return source.Resolved{Ref: ref, Label: ref, Source: "fake", Bytes: 1, Inodes: 1, Fetcher: s}, nil
}

func (s fakeSource) Fetch(_ context.Context, into string, _ source.Progress) error {
	return errors.Join(os.WriteFile(filepath.Join(into, "index.php"), []byte("<?php"), 0o644), s.fails)
}

// fakeCaches fail where they are told to; the real ones are tested with real
// servers by the scripts.
type fakeCaches struct {
	fails     map[string]error
	pinned    []opcache.Worker
	threads   []string
	stale     []opcache.Worker
	watched   [][]opcache.Link
	forgotten []string
	retired   []string

	room      restart.Fit // of their one cache, where it is not beside
	pending   []restart.Pending
	restarts  []Occasion
	takenBack int // of Expect
	renewals  []restart.Renewal
	ended     [][]string  // pools whose workers were
	sweepsEnd []time.Time // the latest, of each sweep
}

func (c *fakeCaches) Threaded() []string { return c.threads }
func (c *fakeCaches) Pinned(context.Context) ([]opcache.Worker, error) {
	return c.pinned, c.fails["pinned"]
}
func (c *fakeCaches) Usage(context.Context) ([]opcache.Usage, error) {
	return []opcache.Usage{{Pools: []string{"unix:/run/a.sock"}}}, c.fails["usage"]
}
func (c *fakeCaches) Footprints(context.Context, []string) (map[string]opcache.Footprint, error) {
	return nil, c.fails["footprints"]
}
func (c *fakeCaches) Observe(_ context.Context, links []opcache.Link, _ opcache.Addressing) (Switch, error) {
	c.watched = append(c.watched, links)
	return c, c.fails["observe"]
}
func (c *fakeCaches) Keep(context.Context, restart.Maintenance) (restart.MaintenanceResult, error) {
	return restart.MaintenanceResult{}, c.fails["keep"]
}
func (c *fakeCaches) Expect(context.Context, restart.Queue, []restart.Order) (func() error, error) {
	if err := c.fails["expect"]; err != nil {
		return nil, err
	}
	return func() error { c.takenBack++; return nil }, nil
}
func (c *fakeCaches) Rehearse(context.Context, []restart.Order) error { return c.fails["quiet"] }
func (c *fakeCaches) Restart(ctx context.Context, _ restart.Queue, _ []restart.Order, on Occasion) (restart.Outcome, error) {
	c.restarts = append(c.restarts, on)
	if on.Switch != nil {
		if err := on.Switch(ctx); err != nil {
			return restart.Outcome{}, err
		}
	}
	done := []restart.MasterRestart{{Action: restart.ReloadFPM}}
	if err := c.fails["refused"]; err != nil {
		return restart.Outcome{}, err
	}
	return restart.Outcome{Masters: done, Pending: c.pending}, c.once("restart")
}
func (c *fakeCaches) Room(context.Context, []string) ([]restart.CacheFit, error) {
	if c.room == "" {
		return nil, c.fails["room"]
	}
	return []restart.CacheFit{{Fit: c.room, Order: restart.Order{Pools: []string{"unix:/run/a.sock"}, Decision: restart.Decision{
		Action: restart.ReloadFPM, Reasons: []restart.Reason{{Figure: restart.FigureFit, Crossed: true, Text: "too small"}},
	}}}}, c.fails["room"]
}
func (c *fakeCaches) Except([]opcache.Worker) {}
func (c *fakeCaches) ClearAPCu(bool)          {}
func (c *fakeCaches) CleanFiles(context.Context, string) (filecache.Cleaned, error) {
	return filecache.Cleaned{}, c.fails["clean"]
}
func (c *fakeCaches) Has(probe.Answer) bool        { return true }
func (c *fakeCaches) ToHost(a probe.Answer) string { return a.File }

func (c *fakeCaches) Views() []php.PathMap { return nil }
func (c *fakeCaches) Workers() int         { return 0 }
func (c *fakeCaches) Addressing(context.Context) (opcache.Addressing, error) {
	return opcache.Keyed, c.fails["addressing"]
}
func (c *fakeCaches) Renewals(context.Context, []opcache.Link) ([]restart.Renewal, error) {
	return c.renewals, c.fails["renewals"]
}
func (c *fakeCaches) Preloads(context.Context, []opcache.Link) ([]restart.Renewal, error) {
	return c.renewals, c.fails["renewals"]
}
func (c *fakeCaches) EndWorkers(_ context.Context, pools []string) (ended, busy int, err error) {
	c.ended = append(c.ended, pools)
	return 1, 0, c.once("end")
}
func (c *fakeCaches) Warm(context.Context, opcache.Progress) (opcache.WarmResult, error) {
	return opcache.WarmResult{}, c.fails["warm"]
}
func (c *fakeCaches) Sweep(ctx context.Context) (opcache.SweepResult, error) {
	until, _ := ctx.Deadline()
	c.sweepsEnd = append(c.sweepsEnd, until)
	return opcache.SweepResult{Pools: 1, Workers: 1}, c.once("sweep")
}
func (c *fakeCaches) Invalidate(context.Context) (opcache.InvalidateResult, error) {
	return opcache.InvalidateResult{Last: time.Now()}, c.once("invalidate")
}
func (c *fakeCaches) Settle(context.Context, opcache.Progress) (opcache.SettleResult, error) {
	return opcache.SettleResult{Stale: c.stale}, c.fails["settle"]
}
func (c *fakeCaches) Retire(_ context.Context, unused []string) (opcache.RetireResult, error) {
	c.retired = append(c.retired, unused...)
	return opcache.RetireResult{}, c.fails["retire"]
}

func (c *fakeCaches) ForgetBelow(_ context.Context, folder string, _ func(string) bool) ([]string, error) {
	c.forgotten = append(c.forgotten, folder)
	return nil, c.fails["forget"]
}

func (c *fakeCaches) FileCache(context.Context) (bool, error) { return false, c.fails["file cache"] }

func (c *fakeCaches) InFlight(context.Context) (opcache.Flight, error) {
	return opcache.Flight{All: true}, c.fails["in flight"]
}

// once fails the first time only: what it failed for is then undone.
func (c *fakeCaches) once(name string) error {
	err := c.fails[name]
	delete(c.fails, name)
	return err
}

func runWith(t *testing.T, app apps.App, caches *fakeCaches, change func(*Options, *Deps)) (outcome.Report, error) {
	t.Helper()
	o := Options{App: app, Instances: app.Instances, Ref: "v3", Command: "relink deploy v3"}
	d := Deps{Source: fakeSource{}, Connect: func(context.Context, opcache.Web) (Caches, error) { return caches, nil }}
	if change != nil {
		change(&o, &d)
	}
	return Run(t.Context(), o, d)
}

func wantNoTrace(t *testing.T, app apps.App) {
	t.Helper()
	if _, err := os.Lstat(app.JournalFile()); err == nil {
		t.Error("a journal is left")
	}
	entries, err := os.ReadDir(app.Releases)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != "v1" && name != "v2" && name != ".relink" {
			t.Errorf("%s is left in the releases folder", name)
		}
	}
}

func TestAFailureBeforeTheSwitchChangesNothing(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		caches fakeCaches
		change func(*Options, *Deps)
		want   string
	}{
		"fetch":   {change: func(_ *Options, d *Deps) { d.Source = fakeSource{fails: broken} }, want: "stage: broken"},
		"observe": {caches: fakeCaches{fails: map[string]error{"observe": broken}}, want: "observe: broken"},
		"room":    {caches: fakeCaches{fails: map[string]error{"room": broken}}, want: "room: broken"},
		"no room and never quiet": {caches: fakeCaches{room: restart.FitsAfterSwitch, fails: map[string]error{"quiet": restart.ErrNotQuiet}},
			want: "quiet: OPcache has no room for the new release without a restart: not quiet"},
		"no room and no restart":                {caches: fakeCaches{room: restart.FitsAfterRestart, pending: []restart.Pending{{Order: restart.Order{Pools: []string{"unix:/run/a.sock"}}, Last: "GET /export.php"}}}, want: "without a restart: GET /export.php"},
		"no room and a restart that is refused": {caches: fakeCaches{room: restart.FitsAfterRestart, fails: map[string]error{"refused": broken}}, want: "without a restart: broken"},
		"no room and a restart that fails":      {caches: fakeCaches{room: restart.FitsAfterRestart, fails: map[string]error{"restart": broken}}, want: "room: "},
		"no room and no state folder":           {caches: fakeCaches{room: restart.FitsAfterSwitch, fails: map[string]error{"expect": broken}}, want: "prepare: broken"},
		"pools": {change: func(_ *Options, d *Deps) {
			d.Connect = func(context.Context, opcache.Web) (Caches, error) { return nil, broken }
		}, want: "preflight: broken"},
		"pinned": {caches: fakeCaches{pinned: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711}}}, want: "pid 4711 of unix:/run/a.sock"},
		"before_switch hook": {change: func(o *Options, _ *Deps) {
			o.App.Hooks.BeforeSwitch = []string{"exit 3"}
		}, want: "hook before_switch: exit 3"},
		"missing docroot": {change: func(o *Options, _ *Deps) { o.App.Docroot = "public" }, want: "public"},
	} {
		t.Run(name, func(t *testing.T) {
			app, places := tree(t)
			report, err := runWith(t, app, &c.caches, c.change)
			if exit.Status(err) != exit.Failed || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("exit %d: %v, want 1 with %q", exit.Status(err), err, c.want)
			}
			if !strings.Contains(err.Error(), "now: 2 instances on v1, 1 without a link: new") {
				t.Errorf("%q does not say what serves", err)
			}
			if report.Exit != exit.Failed || report.Error == nil || len(report.Error.Serving) != 2 {
				t.Errorf("the report says %d, %+v", report.Exit, report.Error)
			}
			wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
			wantNoTrace(t, app)
		})
	}
}

func TestAFailureInTheSwitchBringsEveryLinkBack(t *testing.T) {
	broken := errors.New("broken")
	for _, at := range []string{"sweep", "invalidate", "rename"} {
		t.Run(at, func(t *testing.T) {
			app, places := tree(t)
			caches := &fakeCaches{fails: map[string]error{at: broken}}
			report, err := runWith(t, app, caches, func(_ *Options, d *Deps) {
				d.Reached = func(point string) {
					if at == "rename" && point == "moved relative" {
						mkdir(t, places[2]) // somebody makes a folder where the next link goes
					}
				}
			})
			if at == "rename" {
				if err := os.Remove(places[2]); err != nil {
					t.Fatal(err)
				}
			}
			want, text := exit.RolledBack, "rolled back"
			if at == "rename" { // one of the links is somebody else's now
				want, text = exit.Unverified, "not proven"
			}
			if exit.Status(err) != want || !strings.Contains(err.Error(), text) {
				t.Fatalf("exit %d: %v", exit.Status(err), err)
			}
			wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
			if _, err := os.Lstat(app.JournalFile()); err == nil {
				t.Error("a journal is left")
			}
			releases, err := status.ReadReleases(app)
			if err != nil || releases.Releases[0].ID != report.Release || releases.Releases[0].Bad == "" {
				t.Errorf("the failed release is not marked bad: %+v, %v", releases, err)
			}
			if ends := caches.sweepsEnd; len(ends) > 1 && !ends[1].After(ends[0]) {
				t.Errorf("the way back has no time of its own: %v", ends)
			}
			back := caches.watched[len(caches.watched)-1]
			if len(back) != 3 || back[0].To != filepath.Join(app.Releases, "v1") {
				t.Errorf("the caches were told %+v when the links went back", back)
			}
		})
	}
}

func TestAFailureAfterTheSwitchIsToldAndChangesNoLink(t *testing.T) {
	app, places := tree(t)
	caches := &fakeCaches{
		fails: map[string]error{"retire": errors.New("retire is broken"), "warm": errors.New("warm is broken")},
		stale: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711, Request: "GET /export.php"}},
	}
	report, err := runWith(t, app, caches, func(o *Options, _ *Deps) {
		o.App.Hooks.AfterSwitch = []string{"exit 3"}
	})
	if exit.Status(err) != exit.Unverified {
		t.Fatalf("exit %d: %v", exit.Status(err), err)
	}
	for _, want := range []string{"is live, but", "hook after_switch", "pid 4711", "GET /export.php", "retire is broken"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if hints := strings.Join(hint.Of(err), "\n"); !strings.Contains(hints, "relink recover") {
		t.Errorf("the hints are %q", hints)
	}
	if !strings.Contains(strings.Join(report.Warnings, "\n"), "warm is broken") || len(report.Sweep.StalePIDs) != 1 {
		t.Errorf("the report: warnings %q, stale %v", report.Warnings, report.Sweep.StalePIDs)
	}
	release := filepath.Join(app.Releases, report.Release)
	wantLinks(t, places, release, "../../rel/"+report.Release, release)

	// The next one carries the unsettled moves on, and settles them with its own.
	again := &fakeCaches{}
	if _, err := runWith(t, app, again, nil); err != nil {
		t.Fatal(err)
	}
	if links := again.watched[0]; len(links) != 5 || links[3].From != filepath.Join(app.Releases, "v1") {
		t.Errorf("the caches were told %+v", links)
	}
	if _, err := os.Lstat(app.JournalFile()); err == nil {
		t.Error("a journal is left")
	}
}

func TestPinnedWorkersAreNeverCalledSettled(t *testing.T) {
	app, _ := tree(t)
	caches := &fakeCaches{pinned: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711}}}
	report, err := runWith(t, app, caches, func(o *Options, _ *Deps) { o.Force = true })
	if !errors.Is(err, opcache.ErrPinned) || exit.Status(err) != exit.Unverified || len(report.Sweep.StalePIDs) != 1 {
		t.Errorf("exit %d: %v, stale %v", exit.Status(err), err, report.Sweep.StalePIDs)
	}
}

// Of links that there are not yet no worker has anything old, whoever keeps it.
func TestPinnedWorkersDoNotMatterToAFirstDeploy(t *testing.T) {
	app, places := tree(t)
	for _, place := range places {
		if err := os.RemoveAll(place); err != nil {
			t.Fatal(err)
		}
	}
	caches := &fakeCaches{pinned: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711}}}
	if report, err := runWith(t, app, caches, nil); err != nil || len(report.Warnings) > 0 {
		t.Errorf("%v, warnings %q", err, report.Warnings)
	}
}

func TestThreadsAreRefusedBeforeAnythingMoves(t *testing.T) {
	app, places := tree(t)
	before, err := filepath.EvalSymlinks(places[0])
	if err != nil {
		t.Fatal(err)
	}
	caches := &fakeCaches{threads: []string{"mod_php http://127.0.0.1/ (Apache pid 4711)"}}
	_, err = runWith(t, app, caches, nil)
	if !errors.Is(err, ErrThreads) || !strings.Contains(err.Error(), "pid 4711") || !strings.Contains(strings.Join(hint.Of(err), ""), "mpm_prefork") {
		t.Errorf("%v, hints %q", err, hint.Of(err))
	}
	if now, err := filepath.EvalSymlinks(places[0]); err != nil || now != before {
		t.Errorf("the link leads to %s, not %s (%v)", now, before, err)
	}
	report, err := runWith(t, app, caches, func(o *Options, _ *Deps) { o.Force = true })
	if err != nil || !strings.Contains(strings.Join(report.Warnings, ""), "threads") {
		t.Errorf("%v, warnings %q", err, report.Warnings)
	}
}

func TestASignalBeforeTheSwitchChangesNothing(t *testing.T) {
	for _, point := range []string{"recover", "stage", "noted staging", "noted staged", "warm", "prepare", "barrier"} {
		t.Run(point, func(t *testing.T) {
			app, places := tree(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			caches := &fakeCaches{}
			o := Options{App: app, Instances: app.Instances, Ref: "v3"}
			d := Deps{Source: fakeSource{}, Connect: func(context.Context, opcache.Web) (Caches, error) { return caches, nil }}
			d.Reached = func(reached string) {
				if reached == point {
					cancel()
				}
			}
			_, err := Run(ctx, o, d)
			if point == "barrier" { // the last step before: what follows is finished
				if exit.Status(err) != exit.Interrupted || !strings.Contains(err.Error(), "is live") {
					t.Errorf("exit %d: %v", exit.Status(err), err)
				}
				return
			}
			if exit.Status(err) != exit.Interrupted {
				t.Errorf("exit %d: %v", exit.Status(err), err)
			}
			wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
			wantNoTrace(t, app)
		})
	}
}

func TestPruneKeepsWhatServesAndWhatIsNotRelinks(t *testing.T) {
	app, _ := tree(t)
	app.Keep = 1
	var made []string
	for range 4 {
		report, err := runWith(t, app, &fakeCaches{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, report.Release)
	}
	releases, err := status.ReadReleases(app)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, one := range releases.Releases {
		left = append(left, one.ID)
	}
	for _, want := range []string{made[3], made[2], "v1", "v2"} {
		if !strings.Contains(strings.Join(left, " "), want) {
			t.Errorf("%s was pruned: %q are left", want, left)
		}
	}
	if len(left) != 4 {
		t.Errorf("%q are left, want four", left)
	}
}

// A hook of root runs in the release: whoever may write the releases folder, or the way
// to it, would choose what it runs.
func TestRootDeploysIntoNoFolderOfOthers(t *testing.T) {
	app, places := tree(t)
	if err := os.Chmod(app.Releases, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := runWith(t, app, &fakeCaches{}, nil)
	if os.Geteuid() == 0 {
		if !errors.Is(err, trust.ErrOthers) || !strings.Contains(err.Error(), "releases "+app.Releases) {
			t.Error(err)
		}
		wantLinks(t, places, filepath.Join(app.Releases, "v1"), "../../rel/v1", "")
	}
	if err := os.Chmod(app.Releases, 0o755); err != nil {
		t.Fatal(err)
	}
	open := t.TempDir()
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	app.Map = filepath.Join(open, "sites.map")
	if _, err = runWith(t, app, &fakeCaches{}, nil); os.Geteuid() == 0 && (!errors.Is(err, trust.ErrOthers) || !strings.Contains(err.Error(), "map "+app.Map)) {
		t.Error(err)
	}
}
