package opcache

import (
	"context"
	"sync"
)

// Footprints tells what all caches together hold of each of the folders.
func (c *Caches) Footprints(ctx context.Context, folders []string) (map[string]Footprint, error) {
	out := make(map[string]Footprint, len(folders))
	var mu sync.Mutex
	err := each(ctx, c.distinct(), func(ctx context.Context, _ int, one *cache) error {
		for _, folder := range folders {
			one, err := c.footprint(ctx, one, folder)
			if err != nil {
				return err
			}
			mu.Lock()
			out[folder] = out[folder].plus(one)
			mu.Unlock()
		}
		return nil
	})
	return out, err
}

// footprint of no folder is nothing; to the agent "" would be all.
func (c *Caches) footprint(ctx context.Context, one *cache, folder string) (Footprint, error) {
	if folder == "" {
		return Footprint{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.CallTimeout)
	defer cancel()
	scripts, err := one.agent().Scripts(ctx, []string{one.toPool(folder)})
	var f Footprint
	for _, script := range scripts {
		if script.Live {
			f.Scripts++
			f.Bytes += script.Memory
		} else {
			f.DeadScripts++
			f.DeadBytes += script.Memory
		}
	}
	return f, err
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
