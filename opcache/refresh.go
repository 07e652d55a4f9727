package opcache

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/hint"
)

// RefreshOptions say which links another tool has moved.
type RefreshOptions struct {
	From, To string // releases
	Links    []Site // that were moved; none: those of Known that lead to To
	Known    []Site // every link that is configured
	State    string // folder for what has to be remembered
	Ledger   Ledger
	Restart  RestartOptions // of caches that cannot hold both releases
}

// RefreshResult tells what became of the caches. As JSON it is the contract of
// docs/opcache.md.
type RefreshResult struct {
	From        string        `json:"from"`
	To          string        `json:"to"`
	Links       []string      `json:"links"`    // that were moved
	Staying     []string      `json:"staying"`  // that still lead to From
	Returned    bool          `json:"returned"` // To was in use before, and had been left
	Sweep       RefreshSweep  `json:"sweep"`
	Invalidated int           `json:"invalidated"` // scripts at the cut-over
	Rekeyed     int           `json:"rekeyed"`     // keys led to where their link leads now
	Regained    int           `json:"regained"`    // scripts that busy workers had brought back
	Retired     int           `json:"retired"`     // scripts of From, when nobody is on it
	Warm        WarmResult    `json:"warm"`        // what was hot of From and is in the cache of To now
	CutoverMS   float64       `json:"cutover_ms"`  // from the first call to the last invalidation
	Restart     *UpkeepResult `json:"restart"`     // nil: it did not come to that
	Notes       []string      `json:"notes"`
	Exit        int           `json:"exit"`
	Error       *failure      `json:"error,omitempty"`
	Renewed     Outcome       `json:"-"` // restarts that made room for To
	learned     []string
}

// RefreshSweep tells which workers are known to see the moved links.
type RefreshSweep struct {
	Pools    int      `json:"pools"`
	Workers  int      `json:"workers"` // swept at the cut-over, proven by pid
	Settled  int      `json:"settled"` // proven after it
	Stale    []Worker `json:"stale"`
	Unproven []string `json:"unproven"`
}

// ErrNotMoved means that links do not lead where they are said to.
var ErrNotMoved = errors.New("not moved")

// refreshing is one refresh under way.
type refreshing struct {
	RefreshOptions
	caches *Caches
	moved  []standing
	others []standing
	past   left
	pinned []Worker
	result *RefreshResult
}

// Refresh does the cache work of a deploy for links that somebody else has
// moved: when it returns nil, no page is of the old release any more. An error
// that is ErrUnverified came after the cut-over had begun.
func (c *Caches) Refresh(ctx context.Context, o RefreshOptions, progress Progress) (RefreshResult, error) {
	result := RefreshResult{Links: []string{}, Staying: []string{}, Notes: []string{}, Sweep: RefreshSweep{Stale: []Worker{}, Unproven: []string{}},
		Warm: WarmResult{Failed: []FailedScript{}}}
	r := &refreshing{RefreshOptions: o, caches: c, result: &result}
	err := r.find()
	result.From, result.To = r.From, r.To
	if err == nil {
		err = r.run(ctx, progress)
	}
	return result, err
}

// find tells the links that were moved from those that stay.
func (r *refreshing) find() (err error) {
	if r.To, err = existing(r.To); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	if r.From, err = filepath.Abs(r.From); err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	r.From = realFolder(r.From)
	if isWithin(r.From, r.To) || isWithin(r.To, r.From) {
		return fmt.Errorf("--from %s and --to %s are not two releases", r.From, r.To)
	}
	all := standings(slices.Concat(r.Links, r.Known), append(around(r.From), around(r.To)...)...)
	candidates := r.Links
	if len(candidates) == 0 {
		candidates = r.Known
	}
	for _, s := range all {
		asked := slices.ContainsFunc(candidates, func(site Site) bool { return canonicalPlace(site.Path) == s.place })
		switch {
		case asked && s.within(r.To):
			r.moved = append(r.moved, s)
		case asked && len(r.Links) > 0:
			return hint.With(fmt.Errorf("%w: %s leads to %q, not to %s", ErrNotMoved, s.Path, s.real, r.To), "move the link first, then run this command")
		default:
			r.others = append(r.others, s)
		}
	}
	if len(r.moved) == 0 {
		return hint.With(fmt.Errorf("%w: no configured link leads to %s", ErrNotMoved, r.To), "move the links first, or name those that were moved with --link")
	}
	r.result.Links = names(r.moved)
	r.result.Staying = names(r.on(r.From))
	return nil
}

// on lists the other links that lead into a release.
func (r *refreshing) on(release string) []standing {
	return slices.DeleteFunc(slices.Clone(r.others), func(s standing) bool { return !s.within(release) })
}

func (r *refreshing) run(ctx context.Context, progress Progress) error {
	past, returned, err := r.caches.returned(ctx, r.State, r.To)
	if err != nil {
		return err
	}
	r.past, r.result.Returned = past, returned
	if r.pinned, err = r.caches.Pinned(ctx); err != nil {
		return err
	}
	began := time.Now()
	cut, err := r.caches.Observe(ctx, append(r.links(), r.returning()...))
	if err != nil {
		return err
	}
	cut.Except(r.pinned)
	r.result.learned = cut.Learned()
	if err := r.cutOver(ctx, cut, began, progress); err != nil {
		return unverified(err)
	}
	return unverified(r.warm(ctx, cut))
}

// warm compiles what nobody has warmed before the links moved, and what visitors
// have not asked for since.
func (r *refreshing) warm(ctx context.Context, cut *Switch) error {
	warmed, err := cut.Warm(ctx, nil)
	warmed.Failed = append([]FailedScript{}, warmed.Failed...)
	r.result.Warm = warmed
	if err != nil && ctx.Err() == nil {
		r.result.Notes, err = append(r.result.Notes, err.Error()), nil
	}
	return err
}

// links are the moves, told from what the links lead to now.
func (r *refreshing) links() []Link {
	var links []Link
	for _, s := range r.moved {
		inside := strings.TrimPrefix(s.real, r.To)
		links = append(links, Link{Name: s.Name, Path: s.Path, From: r.From + inside, To: s.real,
			FromRelease: r.From, ToRelease: r.To, Shared: len(r.result.Staying) > 0})
	}
	return links
}

// returning are the links that were on To before it was left, or may have been,
// and lead elsewhere now: their old keys come back to life with To. They are
// treated as links that move from To to where they are.
func (r *refreshing) returning() []Link {
	if !r.result.Returned {
		return nil
	}
	inside := strings.TrimPrefix(r.moved[0].real, r.To)
	var links []Link
	for _, site := range slices.Concat(r.Known, r.past.Links) {
		s := stand(site)
		known := slices.ContainsFunc(links, func(l Link) bool { return canonicalPlace(l.Path) == s.place })
		if s.real == "" || s.within(r.To) || known {
			continue
		}
		links = append(links, Link{Name: s.Name, Path: s.Path, From: r.To + inside, To: s.real,
			FromRelease: r.To, ToRelease: strings.TrimSuffix(s.real, inside), Shared: true})
	}
	r.noteReturn(links)
	return links
}

func (r *refreshing) noteReturn(links []Link) {
	if len(links) == 0 {
		r.result.Notes = append(r.result.Notes, r.To+" was in use before and had been left: keys that led to it are alive again. All known links lead to it, so that they are right")
		return
	}
	elsewhere := make([]string, len(links))
	for i, l := range links {
		elsewhere[i] = l.Name
	}
	r.result.Notes = append(r.result.Notes, fmt.Sprintf("%s was in use before and had been left: keys that led to it are alive again. Those of %s are led to where these links are now; "+
		"of links that relink does not know nothing can be said. Give each release a path of its own", r.To, some(elsewhere)))
}

// cutOver does not stop at a signal before its second step is done: half a
// cut-over would be worse than a slow one.
func (r *refreshing) cutOver(ctx context.Context, cut *Switch, began time.Time, progress Progress) error {
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
	r.result.Invalidated, r.result.Rekeyed = invalidated.Invalidated, invalidated.Rekeyed
	r.result.CutoverMS = milliseconds(invalidated.Last.Sub(began))
	for _, failed := range invalidated.Failed {
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("not invalidated: %s: %s", failed.Path, failed.Reason))
	}
	if err != nil {
		return err
	}
	settled, err := cut.Settle(ctx, progress)
	r.settled(settled)
	if err == nil {
		err = r.unsettled(settled)
	}
	if err != nil || len(r.result.Staying) > 0 {
		return err
	}
	retired, err := cut.Retire(ctx, []string{r.From})
	r.result.Retired = retired.Invalidated
	return errors.Join(err, r.remember(ctx))
}

func (r *refreshing) settled(s SettleResult) {
	r.result.Sweep.Settled, r.result.Regained = s.Workers, s.Regained
	r.result.Sweep.Stale = slices.Concat(r.result.Sweep.Stale, s.Stale, r.pinned)
	r.result.Sweep.Unproven = append(r.result.Sweep.Unproven, s.Unproven...)
}

// remember notes that From was left, for the day that somebody leads links to it again.
func (r *refreshing) remember(ctx context.Context) error {
	usages, err := r.caches.Usage(ctx)
	if err != nil {
		return err
	}
	now := left{Folder: r.From, Time: time.Now().UTC()}
	for _, s := range r.moved {
		now.Links = append(now.Links, s.Site)
	}
	if err := rememberLeft(r.State, now, r.To, usages); err != nil {
		r.result.Notes = append(r.result.Notes, err.Error())
	}
	return nil
}
