package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrRenewal: the switch needs new PHP processes, which cannot be had.
var ErrRenewal = errors.New("PHP-FPM cannot follow the switch")

// renewals are what the switch needs beside the sweep and the invalidation: what
// PHP-FPM remembers until its processes end.
type renewals struct {
	reloads []opcache.Order // of masters, in the same moment as the links move
	workers []string        // addresses of the pools whose workers end right after that
	why     []string        // in words
	begun   bool
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
func joined(parts ...string) string {
	var said []string
	for _, part := range parts {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, "; ")
}

// decideRenewals asks each FPM master, before anything moves, whether it can
// follow the links without new processes, and whether it would survive a reload.
func (r *run) decideRenewals(ctx context.Context) error {
	sites, err := r.sites()
	if err != nil {
		return err
	}
	all, err := r.cut.Renewals(ctx, sites)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	for _, one := range all {
		switch one.Action {
		case opcache.ReloadFPM, opcache.ReloadApache:
			r.renewals.reloads = append(r.renewals.reloads, one.Order())
		case opcache.EndWorkers:
			r.renewals.workers = append(r.renewals.workers, one.Pools...)
			r.renewals.why = append(r.renewals.why, one.Texts()...)
		}
		for _, note := range one.Notes {
			r.report.warn(note)
		}
	}
	return nil
}

// sites are all instances, those that stay included: what a master preloads is
// for all of them.
func (r *run) sites() ([]opcache.Link, error) {
	live, err := r.App.InUse()
	if err != nil {
		return nil, err
	}
	moving := cacheLinks(r.plan, nil)
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
	return inReleases(all, live), nil
}

// rehearseRenewals makes sure that the reloads may be done, and waits until it is
// quiet enough for them: once the links have moved each page of the new release
// fails until the reload, so that nothing is waited for then.
func (r *run) rehearseRenewals(ctx context.Context) error {
	if len(r.renewals.reloads) == 0 {
		return nil
	}
	err := r.caches.Rehearse(ctx, r.renewals.reloads)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	}
	var why []string
	for _, order := range r.renewals.reloads {
		why = append(why, order.Decision.Texts()...)
	}
	err = fmt.Errorf("nothing was changed: %w: it has to reload with the switch, because %s: %w", ErrRenewal, strings.Join(why, "; "), err)
	if errors.Is(err, opcache.ErrNotQuiet) {
		return hint.With(err, "deploy again when nothing speaks against the reload")
	}
	return hint.With(err, "to do it by hand, move the links alone with --reset never, and restart PHP-FPM right after that")
}

// wouldRenew names the reloads that will come with the switch, as far as they are
// known before there is a release, and tells whether there are any.
func (r *run) wouldRenew(ctx context.Context) (reloads bool, err error) {
	if r.Reset == ResetNever || r.Glance == nil {
		return false, nil
	}
	caches, err := r.Glance(ctx)
	if err == nil && caches == nil {
		r.would("reload PHP-FPM or end its workers with the switch, if opcache.preload or a .user.ini needs it: nobody can tell before the agent is installed")
	}
	if err != nil || caches == nil {
		return false, err
	}
	sites, err := r.sites()
	if err != nil {
		return false, err
	}
	all, err := caches.Preloads(ctx, sites)
	for _, one := range all {
		if one.Reloads() {
			server := "PHP-FPM"
			if one.Action == opcache.ReloadApache {
				server = "Apache"
			}
			reloads = true
			r.would("reload %s (%s) with the switch: %s", server, one.Pools[0], strings.Join(one.Texts(), "; "))
		}
	}
	return reloads, err
}
