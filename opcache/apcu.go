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

// ClearAPCu has Invalidate clear APCu, too, and Settle once more where a worker was busy
// meanwhile: in a request of the old release it may have filled it again.
func (s *Switch) ClearAPCu(asked bool) { s.apcu = asked }

// clearAPCu clears each once, for all pools of a master. It is nil where that was not asked.
func (s *Switch) clearAPCu(ctx context.Context) (*APCu, error) {
	if !s.apcu || s.idle() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.Timeouts.Call)
	defer cancel()
	all, err := Each(ctx, s.Caches.All, func(ctx context.Context, one *Cache) (php.APCu, error) { return one.Agent().ClearAPCu(ctx) })
	if err != nil {
		return nil, err
	}
	sum := &APCu{Absent: []string{}}
	for i, one := range s.Caches.All {
		if !all[i].There {
			sum.Absent = append(sum.Absent, one.Name())
			continue
		}
		sum.Caches, sum.Entries, sum.Bytes = sum.Caches+1, sum.Entries+all[i].Entries, sum.Bytes+all[i].Bytes
	}
	return sum, nil
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
	sum.Entries, sum.Bytes = sum.Entries+later.Entries, sum.Bytes+later.Bytes
	return &sum
}
