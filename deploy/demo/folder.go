package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/internal/hint"
	"relink/internal/sandbox"

	"github.com/gofrs/flock"
)

// marker is the file by which "relink demo --stop" knows a folder that it may remove.
const marker = ".relink-demo"

// makeFolder refuses a folder that holds something: all of it is removed at the end.
func makeFolder(dir string) (folder, error) {
	dir, err := emptyDir(dir)
	if err != nil {
		return folder{}, err
	}
	f := folder{dir: dir, lock: flock.New(filepath.Join(dir, marker))}
	if _, err := f.lock.TryLock(); err != nil {
		return folder{}, fmt.Errorf("demo: lock %s: %w", f.lock.Path(), err)
	}
	return f, nil
}

func emptyDir(dir string) (string, error) {
	if dir == "" {
		return sandbox.TempRoot()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	if len(entries) > 0 {
		err := fmt.Errorf("demo: %s is not empty: it holds %s", dir, entries[0].Name())
		return "", hint.With(err, "name a folder that does not exist yet: the demo removes all of it at its end")
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	return filepath.EvalSymlinks(absolute)
}

func (f folder) remove() error {
	if f.dir == "" {
		return nil
	}
	return errors.Join(f.lock.Close(), os.RemoveAll(f.dir))
}

// Stop ends what "relink demo --keep" left in dir, and removes dir.
func Stop(dir string) error {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	lock := filepath.Join(absolute, marker)
	if _, err := os.Stat(lock); err != nil {
		err := fmt.Errorf("demo: %s is no folder of a demo: %w", absolute, err)
		return hint.With(err, `name the folder that "relink demo --keep" has told`)
	}
	f := folder{dir: absolute, lock: flock.New(lock)}
	free, err := f.lock.TryLock()
	if err != nil {
		return fmt.Errorf("demo: lock %s: %w", lock, err)
	}
	if !free {
		return hint.With(fmt.Errorf("demo: the demo in %s still runs", absolute), "end it with Ctrl-C, where it runs")
	}
	if err := f.stopServers(); err != nil {
		return errors.Join(err, f.lock.Close())
	}
	return f.remove()
}

// stopServers: without the file of pids the demo was killed before it came to
// its end, and its servers ended with it.
func (f folder) stopServers() error {
	if _, err := os.Stat(filepath.Join(f.dir, "pids")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return sandbox.StopDetached(f.dir)
}
