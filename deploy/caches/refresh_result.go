package caches

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/exit"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
)

// refresh is "relink opcache refresh".
func (s *session) refresh(ctx context.Context, from, to string, links []string) error {
	if from == "" || to == "" {
		return usage(errors.New("opcache refresh: give --from OLD and --to NEW"))
	}
	ledger, err := s.ledger()
	if err != nil {
		return err
	}
	known, err := s.setup.Known()
	if err != nil {
		return err
	}
	o := RefreshOptions{From: from, To: to, Known: s.sites(), Others: known, Ledger: ledger, Restart: s.setup.Restart}
	o.Restart.Method = s.setup.Method
	for _, link := range links {
		path, err := filepath.Abs(link)
		if err != nil {
			return err
		}
		o.Links = append(o.Links, opcache.Site{Name: nameOf(s.setup.Setup, path), Path: path})
	}
	app := s.owner(to)
	caches, err := s.setup.Reach(ctx, app)
	if err != nil {
		return err
	}
	before, err := caches.Usage(ctx)
	if err != nil {
		return err
	}
	update, done := s.progress("settle", "workers")
	result, err := Refresh(ctx, caches, o, update)
	done()
	if err == nil {
		if err = s.keepAfter(ctx, caches, app, before, ledger, &result); err != nil {
			err = exit.As(exit.ErrUnverified, fmt.Errorf("no page is of the old release, but: %w", err))
		}
	}
	result.Exit, result.Error = exit.Status(err), exit.FailureOf(err)
	return s.Show(result, err)
}

func (s *session) sites() []opcache.Site {
	if s.chosen != nil {
		return s.chosen.Sites
	}
	return s.setup.Sites()
}

// nameOf is the name of the instance whose link this is, or the path.
func nameOf(s opcache.Setup, path string) string {
	for _, site := range s.Sites() {
		if links.Place(site.Path) == links.Place(path) {
			return site.Name
		}
	}
	return path
}

// owner is the application that a release belongs to: the chosen one, the one
// whose releases folder it lies in, or that has a link into it; nil for none.
func (s *session) owner(release string) *opcache.App {
	if s.chosen != nil {
		return s.chosen
	}
	release = links.RealFolder(release)
	for i, app := range s.setup.Apps {
		leads := func(site opcache.Site) bool { return opcache.ReadLink(site).Within(release) }
		if links.Within(release, links.RealFolder(app.Releases)) || slices.ContainsFunc(app.Sites, leads) {
			return &s.setup.Apps[i]
		}
	}
	return nil
}

// keepAfter decides on a restart as a deploy does.
func (s *session) keepAfter(ctx context.Context, caches *opcache.Caches, app *opcache.App, before []opcache.Usage, ledger restart.RestartQueue, result *RefreshResult) error {
	upkeep := restart.Maintenance{Thresholds: s.setup.Thresholds, Method: s.setup.Method, Release: result.To, Moved: true,
		Before: before, Queue: ledger, Restart: s.setup.Restart}
	if len(result.Staying) == 0 {
		upkeep.Unused = []string{result.From}
	}
	if app != nil {
		upkeep.Unused = append(upkeep.Unused, app.InUse().Unused()...)
		slices.Sort(upkeep.Unused)
		upkeep.Unused = slices.Compact(upkeep.Unused)
	}
	finished, err := ledger.Resume(ctx, caches, s.setup.Restart)
	if err != nil {
		return err
	}
	kept, err := restart.RestartIfNeeded(ctx, caches, upkeep)
	kept.Masters = slices.Concat(result.Renewed.Masters, finished.Masters, kept.Masters)
	kept.Notes = slices.Concat(result.Renewed.Notes, finished.Notes, kept.Notes)
	result.Restart = &kept
	return err
}

// Text writes the result for people.
func (r RefreshResult) Text(w io.Writer, width int) error {
	t := ui.NewTable(width, "refresh", r.To)
	t.Row("set-up", string(r.SetUp))
	t.Row("before", r.From)
	t.Row("links", fmt.Sprintf("%d moved: %s", len(r.Links), ui.FirstFew(r.Links)))
	if len(r.Staying) > 0 {
		t.Row("staying", fmt.Sprintf("%d on the old release: %s", len(r.Staying), ui.FirstFew(r.Staying)))
	}
	t.Row("cut-over", fmt.Sprintf("%.1f ms after the first look", r.CutoverMS))
	t.Row("workers", fmt.Sprintf("%s of %s swept, %d proven after it", ui.Plural(r.Sweep.Workers, "worker"), ui.Plural(r.Sweep.Pools, "pool"), r.Sweep.Settled))
	t.Row("invalidated", fmt.Sprintf("%d at the cut-over, %d that had come back, %d retired", r.Invalidated, r.Regained, r.Retired))
	t.Row("warmed", warmText(r.Warm))
	if r.Restart != nil {
		t.Row("restart", maintenanceText(*r.Restart))
	}
	for _, note := range r.Notes {
		t.Row("note", note)
	}
	return t.Render(w)
}

// maintenanceText is the action with its reasons.
func maintenanceText(r restart.MaintenanceResult) string {
	var reasons []string
	for _, one := range r.Decisions {
		reasons = append(reasons, one.Texts()...)
	}
	for _, p := range r.Pending {
		reasons = append(reasons, pendingText(p))
	}
	text := strings.Join(append(reasons, r.Notes...), "; ")
	if text == "" {
		return r.Action()
	}
	return r.Action() + ": " + text
}

// pendingText tells why a restart waits and what does it.
func pendingText(p restart.Pending) string {
	return fmt.Sprintf(`%s: it was not quiet (%s); the next deploy, or "relink opcache reset", does it when it is`, ui.FirstFew(p.Pools), p.Last)
}
