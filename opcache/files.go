package opcache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"relink/opcache/filecache"
)

// CleanFiles removes what file caches (opcache.file_cache) keep of releases that are gone
// from the folder releases. Each pool has Timeouts.Call to tell of its own, and 1 MiB.
func (c *Caches) CleanFiles(ctx context.Context, releases string) (cleaned filecache.Cleaned, err error) {
	all, err := c.configurations(ctx)
	if err != nil {
		return cleaned, err
	}
	gone := func(release string) bool {
		_, err := os.Lstat(filepath.Join(releases, release))
		return errors.Is(err, fs.ErrNotExist)
	}
	done := map[[2]string]bool{}
	for i, p := range c.pools() {
		if all[i].FileCache == "" {
			continue
		}
		one := [2]string{p.PathMap.ToHost(all[i].FileCache), p.PathMap.ToPool(releases)}
		if done[one] {
			continue
		}
		done[one] = true
		removed, cleanErr := filecache.Clean(ctx, one[0], one[1], gone)
		cleaned.Files, cleaned.Bytes, err = cleaned.Files+removed.Files, cleaned.Bytes+removed.Bytes, errors.Join(err, cleanErr)
	}
	return cleaned, err
}
