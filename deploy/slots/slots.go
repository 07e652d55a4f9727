// Package slots makes a release in a slot, where paths that links have left may serve
// again, and has the caches forget what is not in it any more.
package slots

import (
	"context"
	"errors"
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
	InFlight(ctx context.Context) (opcache.Flight, error)
	ForgetBelow(ctx context.Context, folder string, keep func(name string) bool) (left []string, err error)
	FileCache(ctx context.Context) (bool, error)
}

// Slots are those of an application.
type Slots struct {
	App       apps.App
	Store     *release.Store
	Caches    Caches
	Unsettled moves.Plan // releases that requests may still be on
	Needed    []string   // further releases that must stay where they are
	Reuses    bool       // a path that links have left may serve again
	Say       func(what string)
}

// Make fills what was begun, and seals it.
type Make func(*release.Staging) (release.Release, error)

// Stage makes the release id in a slot - in prefer, if that can be had - or in a folder of
// its own, and once more where that proves to be the wrong place for it.
func (s Slots) Stage(ctx context.Context, id, prefer string, make Make) (release.Release, error) {
	staging, err := s.begin(ctx, id, prefer)
	if err != nil {
		return release.Release{}, err
	}
	made, err := make(staging)
	if err == nil {
		return made, nil
	}
	staging, err = s.beginAgain(ctx, id, staging.Slot(), errors.Join(err, staging.Abort()))
	if err != nil {
		return release.Release{}, err
	}
	if made, err = make(staging); err != nil {
		err = errors.Join(err, staging.Abort())
	}
	return made, err
}

// beginAgain gives up a slot that is unfit for the release. A build that has written down
// where it ran runs once more where the release is to stay.
func (s Slots) beginAgain(ctx context.Context, id, slot string, cause error) (*release.Staging, error) {
	switch {
	case errors.Is(cause, release.ErrNamesFolder):
		s.Say(cause.Error() + ": it is made once more, where it stays")
		return s.beginIn(ctx, id, links.NewPlace())
	case errors.Is(cause, release.ErrUnfit):
		s.Say(cause.Error() + ": it is made once more, in a new one")
		if err := s.retire(ctx, slot); err != nil {
			return nil, errors.Join(cause, err)
		}
		return s.beginIn(ctx, id, links.NewSlot())
	}
	return nil, cause
}

// begin takes a slot that there is, or a new one. There is none with opcache.file_cache,
// nor where the workers cannot be told, so that no slot would ever be taken again.
func (s Slots) begin(ctx context.Context, id, prefer string) (*release.Staging, error) {
	if !s.Reuses {
		return s.Store.Stage(id)
	}
	switch files, err := s.Caches.FileCache(ctx); {
	case err != nil:
		return nil, err
	case files:
		return s.Store.Stage(id)
	}
	slot, flight, err := s.again(ctx, prefer)
	switch {
	case err != nil:
		return nil, err
	case len(flight.Unproven) > 0:
		return s.Store.Stage(id)
	case slot == "":
		return s.beginIn(ctx, id, links.NewSlot())
	}
	staging, err := s.Store.StageIn(ctx, id, release.Turn{Slot: slot, App: s.App.HistoryFile(), Swept: flight.All, Forget: s.forget})
	if errors.Is(err, release.ErrUnfit) {
		return s.beginAgain(ctx, id, slot, err)
	}
	return staging, err
}

func (s Slots) beginIn(ctx context.Context, id, place string) (*release.Staging, error) {
	return s.Store.StageIn(ctx, id, release.Turn{Slot: place, App: s.App.HistoryFile(), Forget: s.forget})
}

// retire gives up a slot that no release is in: nothing of it serves again.
func (s Slots) retire(ctx context.Context, slot string) error {
	_, err := s.Caches.ForgetBelow(ctx, s.Store.Path(slot), func(string) bool { return false })
	if err == nil {
		err = s.Store.RetireSlot(ctx, slot)
	}
	return err
}

// GiveUp removes the slots that no release is in, and that nobody uses any more: where
// paths that links have left must not serve again, there is no other use for them.
func (s Slots) GiveUp(ctx context.Context) error {
	slots, err := s.Store.Slots(s.App.HistoryFile())
	if err != nil || !slices.ContainsFunc(slots, release.Slot.Free) {
		return err
	}
	slots, _, err = s.untouched(ctx)
	for _, one := range slots {
		if err == nil && one.Free() {
			err = s.retire(ctx, one.Name)
		}
	}
	return err
}

// untouched are the slots that no link, request or process is on.
func (s Slots) untouched(ctx context.Context) (slots []release.Slot, flight opcache.Flight, err error) {
	live := s.App.InUse()
	slots, err = s.Store.Slots(s.App.HistoryFile())
	if err != nil || live.Unread != nil { // a link that cannot be read may lead to any
		return nil, flight, err
	}
	stay := s.staying(live)
	slots = slices.DeleteFunc(slots, func(one release.Slot) bool { return stay[one.Name] || stay[one.Release] })
	history, err := journal.Since(s.App.HistoryFile(), firstSealed(slots).Add(-clocksSet))
	if err != nil {
		return nil, flight, err
	}
	now := time.Now() // before the look: what it tells of workers is not older
	if flight, err = s.Caches.InFlight(ctx); err != nil {
		return nil, flight, err
	}
	running, err := s.programs(ctx)
	if err != nil {
		return nil, flight, err
	}
	return slices.DeleteFunc(slots, func(one release.Slot) bool {
		left := leftAt(history, one.Last, now)
		return mayBeOn(flight, left, now) || running.mayRunFrom(s.Store.Path(one.Name), left)
	}), flight, nil
}

// again chooses a slot that there is, and that nobody is on.
func (s Slots) again(ctx context.Context, prefer string) (name string, flight opcache.Flight, err error) {
	slots, flight, err := s.untouched(ctx)
	if err != nil {
		return "", flight, err
	}
	taken, spare := choose(slots, prefer)
	for _, slot := range spare {
		if err := s.retire(ctx, slot); err != nil {
			return "", flight, err
		}
	}
	if taken.Release != "" {
		err = s.Store.Kept().PutAway(taken.Release)
	}
	return taken.Name, flight, err
}

// choose takes, of the slots that nobody is on, the preferred one, or one that no release
// is in, and of several the one that was left last, whose files are most like those to
// come; else that of the oldest release, which is put away. There are as few slots as can
// be, since each costs OPcache's memory: spare are further ones that no release is in,
// which were made while others could not be taken.
func choose(slots []release.Slot, prefer string) (taken release.Slot, spare []string) {
	slices.SortFunc(slots, func(a, b release.Slot) int { return b.Sealed.Compare(a.Sealed) })
	free := slices.DeleteFunc(slices.Clone(slots), func(one release.Slot) bool { return !one.Free() })
	switch i := slices.IndexFunc(slots, func(one release.Slot) bool { return one.Name == prefer }); {
	case i >= 0:
		taken = slots[i]
	case len(free) > 0:
		taken = free[0]
	case len(slots) > 0:
		taken = slots[len(slots)-1]
	}
	for _, one := range free {
		if one.Name != taken.Name {
			spare = append(spare, one.Name)
		}
	}
	return taken, spare
}

// clocksSet is by how much a clock may have been set back while a release was in use. Where
// it was more, nobody knows when that release was left, and its slot waits for longer.
const clocksSet = time.Minute

// firstSealed is when the first of the slots was sealed: no link led to a release that is in
// one of them before that, so that what is older of a long history has not to be understood.
func firstSealed(slots []release.Slot) time.Time {
	first := time.Now()
	for _, one := range slots {
		if one.Sealed.Before(first) {
			first = one.Sealed
		}
	}
	return first
}

// leftAt is when a link last led to a release that is known to have led there; without a
// history of it, now. A link that was moved by hand meanwhile was there until relink has
// moved it.
func leftAt(history []journal.Event, release string, now time.Time) time.Time {
	left := now
	known, on := false, map[string]bool{}
	for _, event := range history {
		for _, move := range event.Moves {
			if on[move.Place] || move.From.Release == release {
				left, known = event.Time, true
			}
			on[move.Place] = move.To.Release == release
		}
	}
	for _, still := range on {
		known = known && !still
	}
	if !known {
		return now
	}
	return left
}

// clocksDiffer is for the times of FPM's status page, which counts in whole seconds.
const clocksDiffer = 2 * time.Second

// mayBeOn tells whether one of the requests in flight may have begun before links left a
// release. Where the web server sends real paths, a deploy does not wait for them.
func mayBeOn(flight opcache.Flight, left, now time.Time) bool {
	return len(flight.Unproven) > 0 || slices.ContainsFunc(flight.Busy, func(w opcache.Worker) bool {
		return w.Busy == 0 || now.Add(-w.Busy).Before(left.Add(clocksDiffer))
	})
}

// staying are the slots and releases that must stay: links lead there, or workers were
// not reached since.
func (s Slots) staying(live links.InUse) map[string]bool {
	stay := live.IDs()
	for left := range moves.LeftBy(s.Unsettled) {
		stay[left] = true
	}
	for _, id := range s.Needed {
		stay[id] = true
	}
	delete(stay, "") // a slot that no release is in may be used
	return stay
}

// forget has the caches forget, while nobody asks for anything in the slot. Before a first
// deploy there may be none.
func (s Slots) forget(ctx context.Context, slot string, keep func(name string) bool) error {
	if s.Caches == nil {
		return nil
	}
	left, err := s.Caches.ForgetBelow(ctx, slot, keep)
	if err == nil && len(left) > 0 { // PHP 7.4 cannot, once a file is gone
		err = fmt.Errorf("%w: opcache_invalidate() refused %s", release.ErrUnfit, filepath.Base(left[0]))
	}
	return err
}
