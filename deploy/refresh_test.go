package deploy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/deploy/apps"
	"relink/deploy/outcome"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/opcache"
	"relink/opcache/restart"

	"github.com/google/go-cmp/cmp"
)

// shop is what Deployer leaves: releases, and current beside them.
func shop(t *testing.T, links map[string]string) (app apps.App, at func(string) string) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at = func(name string) string { return filepath.Join(root, name) }
	for _, folder := range []string{"releases/1/public", "releases/2/public", "state"} {
		if err := os.MkdirAll(at(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range links {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	return apps.App{App: config.App{Name: "shop", Releases: at("releases"), Instances: []config.Instance{{Name: "one", Link: at("one")}, {Name: "two", Link: at("two")}}}, State: at("state")}, at
}

func refreshWith(t *testing.T, app apps.App, caches *fakeCaches, named ...string) (outcome.Report, error) {
	t.Helper()
	o := Options{App: app, Instances: app.Instances}
	if len(named) > 0 {
		o.Instances = nil
		for _, link := range named {
			o.Instances = append(o.Instances, config.Instance{Name: link, Link: link})
		}
	}
	releases := app.RealReleases()
	return Refresh(t.Context(), o, Deps{}, caches, Handover{From: filepath.Join(releases, "1"), To: filepath.Join(releases, "2"), Named: len(named) > 0})
}

func TestRefreshOfAllLinks(t *testing.T) {
	app, at := shop(t, map[string]string{"one": "releases/2/public", "two": "releases/2", "gone": "releases/9"})
	caches := &fakeCaches{}
	report, err := refreshWith(t, app, caches)
	if err != nil || report.Exit != 0 || report.Release != "2" || report.Previous != "1" || len(report.Staying) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	want := []opcache.Link{
		{Name: "one", Path: at("one"), From: at("releases/1/public"), To: at("releases/2/public"), FromRelease: at("releases/1"), ToRelease: at("releases/2")},
		{Name: "two", Path: at("two"), From: at("releases/1"), To: at("releases/2"), FromRelease: at("releases/1"), ToRelease: at("releases/2")},
	}
	if diff := cmp.Diff([][]opcache.Link{want}, caches.watched); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(caches.retired, []string{at("releases/1")}) {
		t.Errorf("retired %q", caches.retired)
	}
	if entries, _ := os.ReadDir(app.State); len(entries) > 0 {
		t.Errorf("it has left %v", entries)
	}
}

// Whoever stays on the old release is named, configured or not; what dangles stays nowhere.
func TestRefreshNamesWhoStays(t *testing.T) {
	app, at := shop(t, map[string]string{"one": "releases/2", "two": "releases/1/public", "current": "releases/1", "gone": "releases/9"})
	caches := &fakeCaches{}
	report, err := refreshWith(t, app, caches)
	if exit.Status(err) != exit.Unverified || !strings.Contains(err.Error(), "stay on "+at("releases/1")) {
		t.Errorf("exit %d: %v", exit.Status(err), err)
	}
	if want := []string{at("current"), "two"}; !slices.Equal(report.Staying, want) || len(report.Instances) != 1 || len(caches.retired) > 0 {
		t.Errorf("staying %q, moved %+v, retired %q", report.Staying, report.Instances, caches.retired)
	}
	if !caches.watched[0][0].Shared {
		t.Error("the old release counts as left by all")
	}
}

func TestRefreshOfLinksThatHaveNotMoved(t *testing.T) {
	app, at := shop(t, map[string]string{"one": "releases/1", "two": "releases/1"})
	for name, links := range map[string][]string{"no configured link leads to " + at("releases/2"): nil, at("one") + " leads to ": {at("one")}} {
		report, err := refreshWith(t, app, &fakeCaches{}, links...)
		if exit.Status(err) != exit.Failed || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "now: 2 instances on 1") || report.Exit != exit.Failed {
			t.Errorf("%v", err)
		}
	}
}

// A refresh has no journal to recover: it is done again.
func TestRefreshThatIsNotSettled(t *testing.T) {
	app, _ := shop(t, map[string]string{"one": "releases/2", "two": "releases/2"})
	report, err := refreshWith(t, app, &fakeCaches{stale: []opcache.Worker{{Pool: "unix:/run/a.sock", PID: 4711}}})
	if exit.Status(err) != exit.Unverified || !slices.Equal(report.Sweep.StalePIDs, []int{4711}) {
		t.Errorf("exit %d: %v", exit.Status(err), err)
	}
	if hints := strings.Join(hint.Of(err), "\n"); !strings.Contains(hints, "run the same command again") || strings.Contains(hints, "recover") {
		t.Errorf("%s", hints)
	}
}

// What cannot be restarted for room is slow, and new all the same.
func TestRefreshWithoutRoom(t *testing.T) {
	for name, one := range map[string]struct {
		caches fakeCaches
		want   string
	}{
		"restarted": {fakeCaches{room: restart.FitsAfterSwitch}, ""},
		"refused":   {fakeCaches{room: restart.FitsAfterSwitch, fails: map[string]error{"refused": context.DeadlineExceeded}}, "the cache was not restarted: "},
	} {
		app, at := shop(t, map[string]string{"one": "releases/2", "two": "releases/2"})
		report, err := refreshWith(t, app, &one.caches)
		if err != nil || !strings.Contains(strings.Join(report.Warnings, "\n"), one.want) || len(one.caches.retired) == 0 {
			t.Errorf("%s: %+v, %v", name, report.Warnings, err)
		}
		if on := one.caches.restarts[0]; on.Moved[at("releases/1")] != at("releases/2") || on.Switch != nil || on.Wait != 0 {
			t.Errorf("%s: %+v", name, on)
		}
	}
}
