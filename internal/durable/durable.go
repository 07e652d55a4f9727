// Package durable writes what must survive a crash: the content is synced, the
// name is swapped in by rename, and the folder that holds the name is synced.
package durable

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// WriteFile replaces path by data in one step. After it returns nil, a crash or
// a power cut leaves the new content; before that, the old one or the new one.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	if err := replace(path, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	// renameio syncs the file, not the folder: without this the rename itself
	// may be lost (google/renameio#11).
	return SyncDir(filepath.Dir(path))
}

// replace is renameio.WriteFile, which would keep the mode of a file that is
// replaced, and would write in TMPDIR where that is on the same file system: what a
// crash left would be there for good, under a name that others see.
func replace(path string, data []byte, mode os.FileMode) error {
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(mode))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if _, err := file.Write(data); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	return withDir(dir, func(d *os.File) error { return d.Sync() })
}

// SyncFileSystem makes everything on dir's file system durable. One call costs
// less than an fsync for each of a release's thousands of files.
func SyncFileSystem(dir string) error {
	return withDir(dir, func(d *os.File) error { return unix.Syncfs(int(d.Fd())) })
}

func withDir(dir string, sync func(*os.File) error) error {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	if err := sync(d); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// WriteNewFile writes a file that must not exist yet, else it fails with
// fs.ErrExist and leaves what is there. After it returns nil, a crash leaves the
// whole file; before that, all of it or none.
func WriteNewFile(path string, data []byte, mode os.FileMode) error {
	if err := create(path, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// create gives the finished file its name by a link, which replaces nothing.
func create(path string, data []byte, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path))
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.Write(data); err != nil {
		return err
	}
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Link(file.Name(), path)
}
