package opcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/opcache/filecache"
)

// CleanFiles removes what file caches (opcache.file_cache) keep of releases that are gone
// from the folder releases. All pools have Timeouts.Call to tell of their own, and 1 MiB each;
// each cache has it to be gone through.
func (c *Caches) CleanFiles(ctx context.Context, releases string) (cleaned filecache.Cleaned, err error) {
	all, err := c.configurations(ctx)
	if err != nil {
		return cleaned, fmt.Errorf("what file caches keep of releases that are gone was not looked at: %w", err)
	}
	done := map[[2]string]bool{}
	for i, p := range c.pools() {
		one := [2]string{p.PathMap.ToHost(all[i].FileCache), p.PathMap.ToPool(releases)}
		if all[i].FileCache == "" || done[one] {
			continue
		}
		done[one] = true
		removed, cleanErr := c.cleanFile(ctx, one[0], one[1], releases)
		cleaned.Add(removed)
		err = errors.Join(err, cleanErr)
	}
	return cleaned, err
}

// cleanFile goes through one file cache, whose user may have put more there than anybody
// could go through.
func (c *Caches) cleanFile(ctx context.Context, folder, inPool, releases string) (filecache.Cleaned, error) {
	longest := c.Options.Timeouts.Call
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("timeouts.call of %s has passed", longest))
	defer cancel()
	return filecache.Clean(ctx, folder, inPool, func(release string) bool {
		_, err := os.Lstat(filepath.Join(releases, release))
		return errors.Is(err, fs.ErrNotExist)
	})
}
