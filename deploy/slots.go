package deploy

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/opcache"
)

// begin makes room for a release: in a slot where a path that links have left may serve
// again, else in a folder of its own. fresh asks for a slot that there has never been.
func (r *run) begin(ctx context.Context, id string, found server, fresh bool) (*release.Staging, error) {
	if !found.addressing.Reuses() || found.caches == nil || r.Reset == journal.ResetNever {
		return r.store.Stage(id)
	}
	turn, err := r.chooseSlot(ctx, found, fresh)
	if err != nil {
		return nil, err
	}
	if turn.Vacate != "" {
		if err := r.store.Vacate(ctx, turn.Vacate); err != nil {
			return nil, err
		}
	}
	staging, err := r.store.StageIn(ctx, id, turn.Slot)
	if err == nil {
		staging.Forget = func(ctx context.Context, changes release.Changes) error {
			return r.forgetChanged(ctx, found.caches, staging.Path(), changes)
		}
	}
	return staging, err
}

func (r *run) chooseSlot(ctx context.Context, found server, fresh bool) (turn release.Turn, err error) {
	if !fresh {
		slots, err := r.store.Slots()
		if err != nil {
			return turn, err
		}
		another, err := r.wantsAnother(ctx, found.caches)
		if err != nil {
			return turn, err
		}
		live := r.App.InUse()
		if live.Unread != nil { // a link that cannot be read may lead to any
			slots = nil
		}
		stay := live.IDs()
		for left := range moves.LeftBy(r.journal.Unsettled) {
			stay[left] = true
		}
		turn = release.ChooseSlot(slots, stay, another)
	}
	if turn.Slot == "" {
		turn.Slot, err = r.store.NewSlot()
	}
	return turn, err
}

// wantsAnother tells whether one more slot is the better way to keep releases. A release
// that leaves its slot shares files with it, which builds could write to, so that the
// slot would need a copy of each of them. One more slot costs memory of OPcache, once:
// each cache has to have that, as the release tells that most instances are on now.
func (r *run) wantsAnother(ctx context.Context, caches Caches) (bool, error) {
	if len(r.App.Hooks.Build) == 0 {
		return false, nil
	}
	live := r.App.InUse().MostUsed()
	if live == "" {
		return true, nil
	}
	held, err := caches.Footprints(ctx, []string{live})
	if err != nil {
		return false, err
	}
	usages, err := caches.Usage(ctx)
	need := int64(float64(held[live].Bytes)*slotHeadroom) + int64(r.Thresholds.FreeBytes)
	return !slices.ContainsFunc(usages, func(u opcache.Usage) bool { return u.FreeBytes < need }), err
}

// slotHeadroom is for what OPcache attaches to scripts, and for pages that nobody has
// asked for yet.
const slotHeadroom = 1.5

// forgetChanged makes the caches forget what a slot holds otherwise than before. Nobody
// asks for anything in it meanwhile.
func (r *run) forgetChanged(ctx context.Context, caches Caches, slot string, changes release.Changes) error {
	names := changes.Names()
	if len(names) == 0 || len(names) == changes.Files { // of a new slot nothing is known
		return nil
	}
	files := make([]string, len(names))
	for i, name := range names {
		files[i] = filepath.Join(slot, name)
	}
	kept, err := caches.Forget(ctx, files)
	if err == nil && len(kept) > 0 { // PHP 7.4 cannot, once a file is gone
		err = fmt.Errorf("%w: opcache_invalidate() refused %s", release.ErrUnfit, kept[0])
	}
	return err
}
