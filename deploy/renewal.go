package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
)

// ErrRenewal: the switch needs new PHP processes, which cannot be had.
var ErrRenewal = errors.New("PHP-FPM cannot follow the switch")

// renewals are what the switch needs beside the sweep and the invalidation: what
// PHP-FPM remembers until its processes end.
type renewals struct {
	reloads []restart.Order // of masters, in the same moment as the links move
	workers []string        // addresses of the pools whose workers end right after that
	why     []string        // in words
}

func (n renewals) describe() string {
	var parts []string
	if len(n.reloads) > 0 {
		parts = append(parts, "PHP-FPM will reload with the switch")
	}
	if len(n.workers) > 0 {
		parts = append(parts, "the workers of "+ui.Plural(len(n.workers), "pool")+" will end with the switch")
	}
	return joined(parts...)
}

// joined leaves out what is empty.
func joined(parts ...string) string { return joinedBy("; ", parts...) }

func joinedBy(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), separator)
}

// findRenewals asks each FPM master, before anything moves, whether it can
// follow the links without new processes, and whether it would survive a reload.
func (r *run) findRenewals(ctx context.Context, seen change) (need renewals, err error) {
	sites, err := r.sites(seen.plan)
	if err != nil {
		return need, err
	}
	all, err := seen.cut.Renewals(ctx, sites)
	if err != nil {
		return need, fmt.Errorf("nothing was changed: %w", err)
	}
	for _, one := range all {
		switch one.Action {
		case restart.ReloadFPM, restart.ReloadApache:
			need.reloads = append(need.reloads, one.Order)
		case restart.EndWorkers:
			need.workers = append(need.workers, one.Pools...)
			need.why = append(need.why, one.Texts()...)
		}
		for _, note := range one.Notes {
			r.report.Warn(note)
		}
	}
	return need, nil
}

// sites are all instances, those that stay included: what a master preloads is
// for all of them.
func (r *run) sites(plan moves.Plan) ([]opcache.Link, error) {
	live := r.App.InUse()
	moving := moves.CacheLinks(plan, nil)
	all := append([]opcache.Link{}, moving...)
	named := map[string]bool{}
	for _, link := range moving {
		named[links.Place(link.Path)] = true
	}
	for _, instance := range r.App.Instances {
		place := links.Place(instance.Link)
		if real := live.Links[place]; real != "" && !named[place] {
			all = append(all, opcache.Link{Name: instance.Name, Path: instance.Link, From: real, To: real})
		}
	}
	return moves.InReleases(all, live), nil
}

// rehearseRenewals makes sure that the reloads may be done, and waits until it is
// quiet enough for them: once the links have moved each page of the new release
// fails until the reload, so that nothing is waited for then.
func rehearseRenewals(ctx context.Context, caches Caches, need renewals) error {
	if len(need.reloads) == 0 {
		return nil
	}
	err := caches.Rehearse(ctx, need.reloads)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	}
	var why []string
	for _, order := range need.reloads {
		why = append(why, order.Decision.Texts()...)
	}
	err = fmt.Errorf("nothing was changed: %w: it has to reload with the switch, because %s: %w", ErrRenewal, strings.Join(why, "; "), err)
	if errors.Is(err, restart.ErrNotQuiet) {
		return hint.With(err, "deploy again when nothing speaks against the reload")
	}
	return hint.With(err, "to do it by hand, move the links alone with --reset never, and restart PHP-FPM right after that")
}

// wouldRenew names the reloads that will come with the switch, as far as they are
// known before there is a release, and tells whether there are any.
func (r *run) wouldRenew(ctx context.Context, plan moves.Plan) (reloads bool, err error) {
	if r.Reset == journal.ResetNever || r.Glance == nil {
		return false, nil
	}
	caches, err := r.Glance(ctx)
	if err == nil && caches == nil {
		outcome.Would(r.report, "reload PHP-FPM or end its workers with the switch, if opcache.preload or a .user.ini needs it: nobody can tell before the agent is installed")
	}
	if err != nil || caches == nil {
		return false, err
	}
	sites, err := r.sites(plan)
	if err != nil {
		return false, err
	}
	all, err := caches.Preloads(ctx, sites)
	for _, one := range all {
		if one.Reloads() {
			who := "PHP-FPM"
			if one.Action == restart.ReloadApache {
				who = "Apache"
			}
			reloads = true
			outcome.Would(r.report, "reload %s (%s) with the switch: %s", who, one.Pools[0], strings.Join(one.Texts(), "; "))
		}
	}
	return reloads, err
}
