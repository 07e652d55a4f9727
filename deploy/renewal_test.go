package deploy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/opcache/restart"
)

func renewal(action restart.Action, figure string) restart.Renewal {
	return restart.Renewal{Order: restart.Order{Pools: []string{"unix:/run/a.sock"}, Decision: restart.Decision{
		Action: action, Reasons: []restart.Reason{{Figure: figure, Crossed: true, Text: "it is remembered"}}}}}
}

func preloadMoves() []restart.Renewal {
	return []restart.Renewal{renewal(restart.ReloadFPM, restart.FigurePreloadMoves)}
}

func userINI() []restart.Renewal {
	return []restart.Renewal{renewal(restart.EndWorkers, restart.FigureUserINI)}
}

// The links move in the reload, which knows where the hot scripts will be.
func TestTheReloadMovesTheLinks(t *testing.T) {
	app, _ := tree(t)
	caches := &fakeCaches{renewals: preloadMoves()}
	report, err := runWith(t, app, caches, nil)
	if err != nil || len(caches.restarts) != 1 || caches.restarts[0].Switch == nil {
		t.Fatalf("%v, %+v", err, caches.restarts)
	}
	if to := caches.restarts[0].Moved[app.ReleaseDir("v1")]; to != app.ReleaseDir(report.Release) {
		t.Errorf("the hot scripts go to %q", to)
	}
	if report.Restart.Action != "fpm" || len(report.Restart.Reasons) != 1 || caches.takenBack != 0 {
		t.Errorf("%+v, taken back %d times", report.Restart, caches.takenBack)
	}
}

func TestWorkersEndWithTheSwitch(t *testing.T) {
	app, _ := tree(t)
	caches := &fakeCaches{renewals: userINI()}
	report, err := runWith(t, app, caches, nil)
	if err != nil || len(caches.ended) != 1 || len(caches.restarts) != 0 || report.Restart.Action != "workers" {
		t.Errorf("%v, ended %q, %+v", err, caches.ended, report.Restart)
	}
}

// Not even by force: each page of the new release would fail.
func TestASwitchThatPHPCannotFollowChangesNothing(t *testing.T) {
	broken := errors.New("broken")
	for at, want := range map[string]string{"renewals": "nothing was changed: broken", "quiet": "it has to reload with the switch, because it is remembered: broken"} {
		app, places := tree(t)
		caches := &fakeCaches{renewals: preloadMoves(), fails: map[string]error{at: broken}}
		_, err := runWith(t, app, caches, func(o *Options, _ *Deps) { o.Force = true })
		if exit.Status(err) != exit.Failed || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit %d: %v", at, exit.Status(err), err)
		}
		if at == "quiet" && !strings.Contains(strings.Join(hint.Of(err), " "), "--reset never") {
			t.Errorf("hints %q", hint.Of(err))
		}
		wantLinks(t, places, app.Releases+"/v1", "../../rel/v1", "")
		wantNoTrace(t, app)
	}
}

// What has begun with the switch is undone with it; the links go back also where
// that fails.
func TestRenewalsAreUndoneWithTheSwitch(t *testing.T) {
	for at, renewals := range map[string][]restart.Renewal{"restart": preloadMoves(), "sweep": preloadMoves(), "end": userINI(), "refused": preloadMoves()} {
		app, places := tree(t)
		caches := &fakeCaches{renewals: renewals, fails: map[string]error{at: errors.New("broken")}}
		report, err := runWith(t, app, caches, nil)
		want := exit.RolledBack
		if at == "refused" { // the way back too, so that nothing is proven
			want = exit.Unverified
		}
		if exit.Status(err) != want {
			t.Errorf("%s: exit %d: %v", at, exit.Status(err), err)
		}
		wantLinks(t, places, app.Releases+"/v1", "../../rel/v1", "")
		if n := len(caches.restarts) + len(caches.ended); n != 2 {
			t.Errorf("%s: renewed %d times", at, n)
		} else if len(caches.restarts) == 2 && caches.restarts[1].Moved[app.ReleaseDir(report.Release)] != app.ReleaseDir("v1") {
			t.Errorf("%s: back: %+v", at, caches.restarts[1])
		}
	}
}

func TestADryRunNamesTheReload(t *testing.T) {
	app, _ := tree(t)
	for _, installed := range []bool{true, false} {
		report, err := runWith(t, app, nil, func(o *Options, d *Deps) {
			o.DryRun = true
			d.Glance = glance(installed)
		})
		want := map[bool]string{true: "reload PHP-FPM (unix:/run/a.sock) with the switch: it is remembered", false: "nobody can tell before the agent is installed"}[installed]
		if err != nil || !strings.Contains(strings.Join(report.Would, "\n"), want) {
			t.Errorf("%v, %q", err, report.Would)
		}
	}
}

func glance(installed bool) func(context.Context) (Caches, error) {
	return func(context.Context) (Caches, error) {
		if !installed {
			return nil, nil
		}
		return &fakeCaches{renewals: preloadMoves()}, nil
	}
}
