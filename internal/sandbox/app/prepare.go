package app

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/internal/sandbox"
)

// dataFolders are those that DokuWiki expects below its savedir (inc/init.php, init_paths).
var dataFolders = []string{"pages", "attic", "media", "media_attic", "media_meta", "meta", "cache", "index", "locks", "tmp", "log"}

// Prepare makes dataDir the data of an instance, which the sandbox's workers
// can write: pages, caches, indexes. The synthetic application has no data.
func (a App) Prepare(dataDir string) error {
	if a.pages == "" {
		return nil
	}
	for _, name := range dataFolders {
		if err := os.MkdirAll(filepath.Join(dataDir, name), 0o755); err != nil {
			return fmt.Errorf("prepare the data of an instance: %w", err)
		}
	}
	if err := os.CopyFS(filepath.Join(dataDir, "pages"), os.DirFS(a.pages)); err != nil {
		return fmt.Errorf("prepare the data of an instance: %w", err)
	}
	uid, gid, err := sandbox.WorkerUser()
	if err != nil {
		return err
	}
	return filepath.WalkDir(dataDir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	})
}
