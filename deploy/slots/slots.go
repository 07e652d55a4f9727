// Package slots begins a release in a slot, where paths that links have left may serve
// again, and has the caches forget what is not in it any more.
package slots

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/internal/links"
	"relink/opcache"
)

// Caches are the OPcaches that may hold scripts of the slots.
type Caches interface {
	Usage(ctx context.Context) ([]opcache.Usage, error)
	Footprints(ctx context.Context, folders []string) (map[string]opcache.Footprint, error)
	Forget(ctx context.Context, files []string) (kept []string, err error)
	InFlight(ctx context.Context) (opcache.SweepResult, error)
}

// Slots are those of an application.
type Slots struct {
	App       apps.App
	Store     *release.Store
	Caches    Caches
	Unsettled moves.Plan // releases that requests may still be on
	FreeBytes int64      // of a cache, that have to stay free
}

// Begin begins the release id in a slot, and with anew in one that there has never been.
func (s Slots) Begin(ctx context.Context, id string, anew bool) (*release.Staging, error) {
	to, err := s.turn(ctx, anew)
	if err != nil {
		return nil, err
	}
	if to.vacate != "" {
		if err := s.Store.Vacate(ctx, to.vacate); err != nil {
			return nil, err
		}
	}
	staging, err := s.Store.StageIn(ctx, id, to.slot)
	if err == nil {
		staging.Forget = func(ctx context.Context, changes release.Changes) error {
			return s.forget(ctx, staging.Path(), changes)
		}
	}
	return staging, err
}

func (s Slots) turn(ctx context.Context, anew bool) (to turn, err error) {
	live := s.App.InUse()
	if !anew && live.Unread == nil { // a link that cannot be read may lead to any
		if to, err = s.again(ctx, live); err != nil {
			return to, err
		}
	}
	if to.slot == "" {
		to.slot, err = s.Store.NewSlot()
	}
	return to, err
}

// again chooses among the slots that no request is on.
func (s Slots) again(ctx context.Context, live links.InUse) (none turn, err error) {
	slots, err := s.Store.Slots()
	if err != nil || len(slots) == 0 {
		return none, err
	}
	history, err := journal.History(s.App.HistoryFile())
	if err != nil {
		return none, err
	}
	now := time.Now() // before the look: what it tells of workers is not older
	flight, err := s.Caches.InFlight(ctx)
	if err != nil {
		return none, err
	}
	slots = slices.DeleteFunc(slots, func(slot release.Slot) bool { return mayBeOn(flight, leftAt(history, slot.Last, now), now) })
	another, err := s.wantsAnother(ctx, live.MostUsed())
	return choose(slots, s.staying(live, history), another), err
}

// leftAt is when links last had to do with a release; without a history of it, now.
func leftAt(history []journal.Event, release string, now time.Time) time.Time {
	for _, event := range slices.Backward(history) {
		for _, move := range event.Moves {
			if move.From.Release == release || move.To.Release == release {
				return event.Time
			}
		}
	}
	return now
}

// clocksDiffer is for the times of FPM's status page, which counts in whole seconds.
const clocksDiffer = 2 * time.Second

// mayBeOn tells whether one of the requests in flight may have begun before links left a
// release. Where the web server sends real paths, a deploy does not wait for them.
func mayBeOn(flight opcache.SweepResult, left, now time.Time) bool {
	return len(flight.Unproven) > 0 || slices.ContainsFunc(flight.Busy, func(w opcache.Worker) bool {
		return w.Busy == 0 || now.Add(-w.Busy).Before(left.Add(clocksDiffer))
	})
}

// staying are the releases that must stay in their slots: links lead there, or workers
// were not reached since. Where a link was moved by hand since relink has moved it,
// nobody has seen the last request on what it led to end.
func (s Slots) staying(live links.InUse, history []journal.Event) map[string]bool {
	stay := live.IDs()
	for left := range moves.LeftBy(s.Unsettled) {
		stay[left] = true
	}
	last := map[string]string{}
	for _, event := range history {
		for _, move := range event.Moves {
			if event.Moved() {
				last[move.Place] = move.To.Release
			}
		}
	}
	for _, release := range last {
		stay[release] = true
	}
	return stay
}

// headroom is for what OPcache attaches to scripts, and for pages that nobody has asked
// for yet.
const headroom = 1.5

// wantsAnother tells whether one more slot is the better way to keep releases. A release
// that leaves its slot shares files with it, which builds could write to, so that the
// slot would need a copy of each of them. One more slot costs memory of OPcache, once:
// each cache has to have that, as the release tells that most instances are on now.
func (s Slots) wantsAnother(ctx context.Context, live string) (bool, error) {
	if len(s.App.Hooks.Build) == 0 {
		return false, nil
	}
	if live == "" {
		return true, nil
	}
	held, err := s.Caches.Footprints(ctx, []string{live})
	if err != nil {
		return false, err
	}
	usages, err := s.Caches.Usage(ctx)
	need := int64(float64(held[live].Bytes)*headroom) + s.FreeBytes
	return !slices.ContainsFunc(usages, func(u opcache.Usage) bool { return u.FreeBytes < need }), err
}

// forget makes the caches forget what a slot holds otherwise than before. Nobody asks
// for anything in it meanwhile.
func (s Slots) forget(ctx context.Context, slot string, changes release.Changes) error {
	names := changes.Names()
	if len(names) == 0 {
		return nil
	}
	files := make([]string, len(names))
	for i, name := range names {
		files[i] = filepath.Join(slot, name)
	}
	kept, err := s.Caches.Forget(ctx, files)
	if err == nil && len(kept) > 0 { // PHP 7.4 cannot, once a file is gone
		err = fmt.Errorf("%w: opcache_invalidate() refused %s", release.ErrUnfit, kept[0])
	}
	return err
}
