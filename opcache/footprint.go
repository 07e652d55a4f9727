package opcache

import (
	"context"

	"relink/php"
)

// Footprints tells what all caches together hold of each of the folders.
func (c *Caches) Footprints(ctx context.Context, folders []string) (map[string]Footprint, error) {
	all, err := Each(ctx, c.All, func(ctx context.Context, one *Cache) ([]php.Holding, error) {
		held, _, err := c.Holdings(ctx, one.Spaces[0], folders)
		return held, err
	})
	out := make(map[string]Footprint, len(folders))
	for _, held := range all {
		for i, h := range held {
			f := out[folders[i]]
			out[folders[i]] = Footprint{
				Scripts: f.Scripts + int(h.Live), Bytes: f.Bytes + h.LiveBytes,
				DeadScripts: f.DeadScripts + int(h.Dead), DeadBytes: f.DeadBytes + h.DeadBytes,
			}
		}
	}
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

// Saved is what sharing one release saves in memory: without it each instance
// would hold its own copy of the live bytes.
func Saved(instances int, f Footprint) int64 {
	return int64(max(instances-1, 0)) * f.Bytes
}
