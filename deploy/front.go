package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php"
	"relink/php/probe"
)

// ErrFrontDoor: what visitors get is not what the links say.
var ErrFrontDoor = errors.New("the front door shows something else")

// probed tells whether any instance is asked through its probe.
func (r *run) probed() bool {
	return slices.ContainsFunc(r.App.Instances, func(i config.Instance) bool { return !i.Probe.Off })
}

// installProbe puts the probe into a release that is being made.
func (r *run) installProbe(release string) error {
	if !r.probed() {
		return nil
	}
	secret, err := probe.EnsureSecret(r.App.State)
	if err != nil {
		return err
	}
	err = secret.Install(release, filepath.Join(r.App.LinkTarget, r.App.Docroot), r.App.Name, cmp.Or(r.App.AgentAt, r.agentDir()))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // without its document root the release is not sealed, which says so
	}
	return err
}

func (r *run) agentDir() string { return cmp.Or(r.App.AgentDir, php.DefaultAgentDir) }

// knock asks every instance, before anything moves, which PHP serves it now. That
// tells how the web server names scripts, and which PHP no pool leads to. A site
// that cannot be asked, such as one that has no probe yet, is no failure.
func (r *run) knock(ctx context.Context) (found server, web opcache.Web, err error) {
	if !r.probed() {
		return found, web, nil
	}
	if found.secret, err = probe.EnsureSecret(r.App.State); err != nil {
		return found, web, err
	}
	linked := r.App.Linked()
	sites := front.Sites(found.secret, r.App, linked)
	found.sights = front.Look(ctx, sites)
	if err := ctx.Err(); err != nil {
		return found, web, err
	}
	if len(sites) == len(linked) {
		found.addressing = front.Weakest(found.sights)
	}
	inside := 0
	for _, s := range found.sights {
		if s.InWebServer() {
			inside++
		}
	}
	web = opcache.Web{Pools: front.WebPools(ctx, found.sights, r.agentDir()), Alone: inside > 0 && inside == len(linked), Doors: front.DoorsOf(sites)}
	return found, web, nil
}

// refuseStrangeCaches: what no pool leads to cannot be made to follow, and would
// serve the old release for ever.
func (r *run) refuseStrangeCaches(found server) error {
	if !found.followed() {
		return nil
	}
	var strange []string
	for _, s := range found.sights {
		if s.Err == nil && !found.caches.Has(s.Answer) {
			strange = append(strange, s.Name+" by "+s.By())
		}
	}
	if len(strange) == 0 {
		return nil
	}
	text := fmt.Sprintf("served by a PHP that is none of the pools (%s): %s", r.poolNames(), ui.FirstFew(strange))
	return r.unlessForced(hint.With(fmt.Errorf("%w: %s", ErrFrontDoor, text),
		"name the pool that the web server sends these sites to under `pools`; `relink config check --probe` shows who answers; --force goes on, and they stay old until that PHP is restarted"), text)
}

// proveFront asks each instance once more, after everything: what its own web
// server sends is what visitors get.
func (r *run) proveFront(to coming, seen change) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		sites := front.Sites(seen.secret, r.App, moves.InstancesOf(to.goals))
		if r.Reset == journal.ResetNever || len(sites) == 0 {
			return "", nil
		}
		sights := front.Look(ctx, sites)
		if err := ctx.Err(); err != nil {
			return "", err
		}
		var wrong []error
		var hidden []front.Sight
		r.report.FrontDoor = make([]outcome.Front, 0, len(sights))
		for _, s := range sights {
			one, err := r.judgeSight(s, to, seen)
			r.report.FrontDoor = append(r.report.FrontDoor, one)
			if s.Err != nil {
				hidden = append(hidden, s)
			}
			wrong = append(wrong, err)
		}
		r.tellHidden(hidden)
		r.report.SetUp = seen.addressing.Weaker(front.Weakest(sights))
		proven := len(sights) - len(hidden)
		return fmt.Sprintf("%d of %s proven", proven, ui.Plural(len(sights), "instance")), errors.Join(wrong...)
	}
}

// tellHidden says once what cannot be asked, and what to change.
func (r *run) tellHidden(hidden []front.Sight) {
	if len(hidden) == 0 {
		return
	}
	names := make([]string, len(hidden))
	for i, s := range hidden {
		names[i] = s.Name
	}
	text := fmt.Sprintf("not proven through the front door: %s: %v", ui.FirstFew(names), hidden[0].Err)
	if hints := hint.Of(hidden[0].Err); len(hints) > 0 {
		text += "; " + strings.Join(hints, "; ")
	}
	r.report.Warn(text + "; or turn it off (probe: off)")
}

// judgeSight compares what a site answered with where its link leads.
func (r *run) judgeSight(s front.Sight, to coming, seen change) (outcome.Front, error) {
	one := outcome.Front{Instance: s.Name, SetUp: s.Addressing()}
	move := moves.MoveIn(seen.plan, s.Name)
	if s.Err != nil {
		one.Error = s.Err.Error()
		return one, r.judgeHidden(s, move, seen.sights)
	}
	file := s.Answer.File
	known := false
	if seen.caches != nil {
		file, known = seen.caches.ToHost(s.Answer), seen.caches.Has(s.Answer)
	}
	one.Release, one.SAPI, one.PID, one.By = front.ReleaseOf(file, r.App.RealReleases()), s.Answer.SAPI, s.Answer.PID, s.By()
	want := r.App.ReleaseDir(move.To.Release)
	switch inside := strings.HasPrefix(file, want+string(filepath.Separator)); {
	case !inside && !front.Ours(r.App, file, seen.states):
		return one, r.strangePath(s, file, seen.states, to.release.ID)
	case !inside:
		return one, hint.With(fmt.Errorf("%w: %s still serves %s, not %s, by %s", ErrFrontDoor, s.Name, one.Release, move.To.Release, s.By()),
			"%s", oldPageHint(known))
	case known || seen.addressing == opcache.Resolved || !move.From.Exists():
		return one, nil
	}
	return one, hint.With(fmt.Errorf("%w: %s is served by %s, which is none of the pools and was not swept: it may serve old pages", ErrFrontDoor, s.Name, s.By()),
		"%s", oldPageHint(false))
}

// judgeHidden: a probe that cannot be reached proves nothing, and is no failure
// unless it could be reached before, or PHP itself fails.
func (r *run) judgeHidden(s front.Sight, move moves.Move, before []front.Sight) error {
	answered := slices.ContainsFunc(before, func(one front.Sight) bool { return one.Name == s.Name && one.Err == nil })
	if !errors.Is(s.Err, probe.ErrServer) && (!answered || !r.holdsProbe(s, move)) {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrFrontDoor, s.Name, s.Err)
}

// holdsProbe tells whether the release that a site is on now has the probe: one of
// before the probe has none.
func (r *run) holdsProbe(s front.Sight, move moves.Move) bool {
	_, err := os.Stat(filepath.Join(move.To.Real, r.App.Docroot, s.Door.Name))
	return err == nil
}

// oldPageHint tells what to do about a site that is old after everything.
func oldPageHint(known bool) string {
	if known {
		return `run "relink recover"; if that does not help, "relink opcache reset" at a quiet moment`
	}
	return "restart that PHP at a quiet moment (mod_php: apachectl graceful), and name its pool under `pools` if it is PHP-FPM: the next deploy then reaches it"
}
