package opcache

import (
	"context"

	"relink/php"
)

// APCu is what was cleared of APCu, the user cache of a PHP: it lives as long as OPcache, in
// the same processes, and what the code of an old release has put there it keeps.
type APCu struct {
	Caches  int      `json:"caches"`  // that were cleared
	Entries int64    `json:"entries"` // that were in them
	Bytes   int64    `json:"bytes"`   // of the entries
	Absent  []string `json:"absent"`  // pools whose PHP has none
}

// ClearAPCu has Invalidate clear APCu, too, and Settle once more where a request may have
// run old code meanwhile, and filled it again: one that Sweep has left to Settle; in Keyed
// also one that began between Sweep and Invalidate, and in Resolved one that began before
// the rename.
func (s *Switch) ClearAPCu(asked bool) { s.apcu = asked }

// clearAPCu clears each once, for all pools of a master, and tells what was cleared also
// where it fails. It is nil where that was not asked.
func (s *Switch) clearAPCu(ctx context.Context) (*APCu, error) {
	if !s.apcu || s.idle() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.Timeouts.Call)
	defer cancel()
	all, err := Each(ctx, s.Caches.All, func(_ context.Context, one *Cache) (*php.APCu, error) { // the others are cleared also where one fails
		held, err := one.Agent().ClearAPCu(ctx)
		if err != nil {
			return nil, err
		}
		return &held, nil
	})
	sum := &APCu{Absent: []string{}}
	for i, one := range s.Caches.All {
		switch held := all[i]; {
		case held == nil: // it failed
		case !held.There:
			sum.Absent = append(sum.Absent, one.Name())
		default:
			sum.Caches, sum.Entries, sum.Bytes = sum.Caches+1, sum.Entries+held.Entries, sum.Bytes+held.Bytes
		}
	}
	return sum, err
}

// clearAPCuAgain does so once more, of what the cut-over has cleared.
func (s *Switch) clearAPCuAgain(ctx context.Context) (*APCu, error) {
	if !s.cleared {
		return nil, nil
	}
	return s.clearAPCu(ctx)
}

// And is both: what one clearing found, and a later one.
func (a *APCu) And(later *APCu) *APCu {
	if a == nil || later == nil {
		if later == nil {
			return a
		}
		return later
	}
	sum := *a
	sum.Caches, sum.Entries, sum.Bytes = max(sum.Caches, later.Caches), sum.Entries+later.Entries, sum.Bytes+later.Bytes
	return &sum
}
