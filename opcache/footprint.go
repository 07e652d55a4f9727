package opcache

import (
	"context"
	"sync"

	"relink/php"
)

// Footprints tells what all caches together hold of each of the folders.
func (c *Caches) Footprints(ctx context.Context, folders []string) (map[string]Footprint, error) {
	out := make(map[string]Footprint, len(folders))
	var mu sync.Mutex
	err := c.EachCache(ctx, func(ctx context.Context, _ int, one *Cache) error {
		held, _, err := c.Holdings(ctx, one.Spaces[0], folders)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for i, folder := range folders {
			out[folder] = out[folder].plus(footprintOf(held[i]))
		}
		return nil
	})
	return out, err
}

// Holdings adds up what one cache holds of folders, as the host sees them, and of all.
func (c *Caches) Holdings(ctx context.Context, one *KeySpace, folders []string) (each []php.Holding, all php.Holding, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.CallTimeout)
	defer cancel()
	seen := make([]string, len(folders))
	for i, folder := range folders {
		seen[i] = one.ToPool(folder)
	}
	return one.Agent().Holdings(ctx, seen)
}

func footprintOf(h php.Holding) Footprint {
	return Footprint{Scripts: int(h.Live), Bytes: h.LiveBytes, DeadScripts: int(h.Dead), DeadBytes: h.DeadBytes}
}

func (f Footprint) plus(g Footprint) Footprint {
	return Footprint{
		Scripts: f.Scripts + g.Scripts, Bytes: f.Bytes + g.Bytes,
		DeadScripts: f.DeadScripts + g.DeadScripts, DeadBytes: f.DeadBytes + g.DeadBytes,
	}
}

// Saved is what sharing one release saves in memory: without it each instance
// would hold its own copy of the live bytes.
func Saved(instances int, f Footprint) int64 {
	return int64(max(instances-1, 0)) * f.Bytes
}
