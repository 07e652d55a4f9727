package caches

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
)

// RefreshOptions say which links another tool has moved.
type RefreshOptions struct {
	From, To string         // releases
	Links    []opcache.Site // that were moved; none: those of Known that lead to To
	Known    []opcache.Site // every link that is configured
	Others   []string       // links that were moved once, whoever they belong to now
	Ledger   restart.RestartQueue
	Restart  restart.RestartOptions // of caches that cannot hold both releases
}

// RefreshResult tells what became of the caches. As JSON it is the contract of
// docs/opcache.md.
type RefreshResult struct {
	SetUp       opcache.Addressing         `json:"set_up"` // revalidated or keyed, by the pools' settings
	From        string                     `json:"from"`
	To          string                     `json:"to"`
	Links       []string                   `json:"links"`    // that were moved
	Staying     []string                   `json:"staying"`  // that still lead to From
	Returned    bool                       `json:"returned"` // To was in use before, and had been left
	Sweep       RefreshSweep               `json:"sweep"`
	Invalidated int                        `json:"invalidated"` // scripts at the cut-over
	Regained    int                        `json:"regained"`    // scripts that busy workers had brought back
	Retired     int                        `json:"retired"`     // scripts of From, when nobody is on it
	Warm        opcache.WarmResult         `json:"warm"`        // what was hot of From and is in the cache of To now
	CutoverMS   float64                    `json:"cutover_ms"`  // from the first call to the last invalidation
	Restart     *restart.MaintenanceResult `json:"restart"`     // nil: it did not come to that
	Notes       []string                   `json:"notes"`
	Exit        int                        `json:"exit"`
	Error       *exit.Failure              `json:"error,omitempty"`
	Renewed     restart.Outcome            `json:"-"` // restarts that made room for To
}

// RefreshSweep tells which workers are known to see the moved links.
type RefreshSweep struct {
	Pools    int              `json:"pools"`
	Workers  int              `json:"workers"` // swept at the cut-over, proven by pid
	Settled  int              `json:"settled"` // proven after it
	Stale    []opcache.Worker `json:"stale"`
	Unproven []string         `json:"unproven"`
}

// ErrNotMoved means that links do not lead where they are said to.
var ErrNotMoved = errors.New("not moved")

// refreshRun is one refresh under way.
type refreshRun struct {
	RefreshOptions
	caches *opcache.Caches
	moved  []opcache.LinkState
	others []opcache.LinkState
	pinned []opcache.Worker
	result *RefreshResult
}

// Refresh does the cache work of a deploy for links that somebody else has
// moved: when it returns nil, no page is of the old release any more. An error
// that is exit.ErrUnverified came after the cut-over had begun.
func Refresh(ctx context.Context, c *opcache.Caches, o RefreshOptions, progress opcache.Progress) (RefreshResult, error) {
	result := RefreshResult{Links: []string{}, Staying: []string{}, Notes: []string{}, Sweep: RefreshSweep{Stale: []opcache.Worker{}, Unproven: []string{}},
		Warm: opcache.WarmResult{Failed: []opcache.FailedScript{}}}
	r := &refreshRun{RefreshOptions: o, caches: c, result: &result}
	err := r.find()
	result.From, result.To = r.From, r.To
	if err == nil {
		err = r.run(ctx, progress)
	}
	return result, err
}

// find tells the links that were moved from those that stay.
func (r *refreshRun) find() (err error) {
	if r.To, err = existing(r.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if r.From, err = filepath.Abs(r.From); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	r.From = links.RealFolder(r.From)
	if links.Within(r.From, r.To) || links.Within(r.To, r.From) {
		return fmt.Errorf("--from %s and --to %s are not two releases", r.From, r.To)
	}
	all := opcache.ScanLinks(slices.Concat(r.Links, r.Known), r.Others, filepath.Dir(r.From), filepath.Dir(r.To))
	candidates := r.Links
	if len(candidates) == 0 {
		candidates = r.Known
	}
	for _, s := range all {
		asked := slices.ContainsFunc(candidates, func(site opcache.Site) bool { return links.Place(site.Path) == s.Place })
		switch {
		case asked && s.Within(r.To):
			r.moved = append(r.moved, s)
		case asked && len(r.Links) > 0:
			return hint.With(fmt.Errorf("%w: %s leads to %q, not to %s", ErrNotMoved, s.Path, s.Real, r.To), "move the link first, then run this command")
		default:
			r.others = append(r.others, s)
		}
	}
	if len(r.moved) == 0 {
		return hint.With(fmt.Errorf("%w: no configured link leads to %s", ErrNotMoved, r.To), "move the links first, or name those that were moved with --link")
	}
	r.result.Links = opcache.Names(r.moved)
	r.result.Staying = opcache.Names(r.on(r.From))
	return nil
}

// on lists the other links that lead into a release.
func (r *refreshRun) on(release string) []opcache.LinkState {
	return slices.DeleteFunc(slices.Clone(r.others), func(s opcache.LinkState) bool { return !s.Within(release) })
}

func (r *refreshRun) run(ctx context.Context, progress opcache.Progress) (err error) {
	if r.result.SetUp, err = r.caches.Addressing(ctx); err != nil {
		return err
	}
	if r.result.Returned, err = r.caches.Returned(ctx, r.To); err != nil {
		return err
	}
	if r.pinned, err = r.caches.Pinned(ctx); err != nil {
		return err
	}
	began := time.Now()
	cut, err := r.caches.Observe(ctx, r.links(), r.result.SetUp)
	if err != nil {
		return err
	}
	cut.Except(r.pinned)
	err = r.cutOver(ctx, cut, began, progress)
	if err == nil {
		err = r.warm(ctx, cut)
	}
	return exit.As(exit.ErrUnverified, errors.Join(err, r.divided()))
}

// divided names what a refresh cannot put right where literal paths are looked at:
// it may not move other people's links, so that some stay on a path that others
// have left, or are back on one.
func (r *refreshRun) divided() error {
	if r.result.SetUp.Reuses() {
		return nil
	}
	const way = "set opcache.revalidate_path=1 for the pool, which makes the literal paths not matter; or "
	var errs []error
	if len(r.result.Staying) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%s stay on %s, which others have left: as soon as their visitors have its scripts compiled again, the old literal paths of %s lead there again",
			ui.FirstFew(r.result.Staying), r.From, ui.FirstFew(r.result.Links)), way+`move the links by "relink deploy", which gives those that stay a path of their own; or move the others too`))
	}
	if elsewhere := r.elsewhere(); r.result.Returned && len(elsewhere) > 0 {
		errs = append(errs, hint.With(fmt.Errorf("%s was in use before and had been left: literal paths of %s that led there then lead there again",
			r.To, ui.FirstFew(elsewhere)), way+"give each release a path of its own"))
	}
	return errors.Join(errs...)
}

// elsewhere names the known links that do not lead to To.
func (r *refreshRun) elsewhere() []string {
	var names []string
	for _, s := range r.others {
		if s.Real != "" && !s.Within(r.To) {
			names = append(names, s.Name)
		}
	}
	return names
}

// warm compiles what nobody has warmed before the links moved, and what visitors
// have not asked for since.
func (r *refreshRun) warm(ctx context.Context, cut *opcache.Switch) error {
	warmed, err := cut.Warm(ctx, nil)
	warmed.Failed = append([]opcache.FailedScript{}, warmed.Failed...)
	r.result.Warm = warmed
	if err != nil && ctx.Err() == nil {
		r.result.Notes, err = append(r.result.Notes, err.Error()), nil
	}
	return err
}

// links are the moves, told from what the links lead to now.
func (r *refreshRun) links() []opcache.Link {
	var links []opcache.Link
	for _, s := range r.moved {
		inside := strings.TrimPrefix(s.Real, r.To)
		links = append(links, opcache.Link{Name: s.Name, Path: s.Path, From: r.From + inside, To: s.Real,
			FromRelease: r.From, ToRelease: r.To, Shared: len(r.result.Staying) > 0})
	}
	return links
}

// cutOver does not stop at a signal before its second step is done: half a
// cut-over would be worse than a slow one.
func (r *refreshRun) cutOver(ctx context.Context, cut *opcache.Switch, began time.Time, progress opcache.Progress) error {
	whole := context.WithoutCancel(ctx)
	swept, err := cut.Sweep(whole)
	r.result.Sweep.Pools, r.result.Sweep.Workers = swept.Pools, swept.Workers
	if err != nil {
		return err
	}
	if err := r.makeRoom(ctx, cut); err != nil {
		return err
	}
	invalidated, err := cut.Invalidate(whole)
	r.result.Invalidated = invalidated.Invalidated
	r.result.CutoverMS = ui.Milliseconds(invalidated.Last.Sub(began))
	for _, failed := range invalidated.Failed {
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("not invalidated: %s: %s", failed.Path, failed.Reason))
	}
	if err != nil {
		return err
	}
	settled, err := cut.Settle(ctx, progress)
	r.settled(settled)
	if err == nil {
		err = opcache.Unsettled(settled, r.pinned, "run the same command again")
	}
	if err != nil || len(r.result.Staying) > 0 {
		return err
	}
	retired, err := cut.Retire(ctx, []string{r.From})
	r.result.Retired = retired.Invalidated
	return err
}

func (r *refreshRun) settled(s opcache.SettleResult) {
	r.result.Sweep.Settled, r.result.Regained = s.Workers, s.Regained
	r.result.Sweep.Stale = slices.Concat(r.result.Sweep.Stale, s.Stale, r.pinned)
	r.result.Sweep.Unproven = append(r.result.Sweep.Unproven, s.Unproven...)
}
