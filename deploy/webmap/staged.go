package webmap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"relink/internal/durable"

	"golang.org/x/sys/unix"
)

// Staged is a new map, on disk beside the old one. It becomes the map by
// Commit, or goes with Discard.
type Staged struct {
	path string
	file *os.File
}

// Write replaces the map. After it returns nil a crash leaves the new one.
func Write(path string, content Map) error {
	staged, err := Prepare(path, content)
	if err != nil {
		return err
	}
	if err := staged.Commit(); err != nil {
		return errors.Join(err, staged.Discard())
	}
	return staged.Sync()
}

// Prepare does all but the rename: what can fail, fails here.
func Prepare(path string, content Map) (*Staged, error) {
	text, err := content.format()
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	s := &Staged{path: path, file: file}
	if err := s.fill(text); err != nil {
		return nil, errors.Join(fmt.Errorf("map %s: %w", path, err), s.Discard())
	}
	return s, nil
}

// fill writes for Apache's children, which run as another user: mode 0644.
func (s *Staged) fill(text []byte) error {
	if _, err := s.file.Write(text); err != nil {
		return err
	}
	if err := s.file.Chmod(0o644); err != nil {
		return err
	}
	return s.file.Sync()
}

// Commit makes the staged map the map: a request that Apache begins after it
// sees the new one. It does not wait for the disk; that is Sync.
func (s *Staged) Commit() error {
	if err := s.date(); err != nil {
		return fmt.Errorf("map %s: %w", s.path, err)
	}
	if err := os.Rename(s.file.Name(), s.path); err != nil {
		return fmt.Errorf("map %s: %w", s.path, err)
	}
	return s.file.Close()
}

// date gives the staged file a modification time that is later than that of the
// map it replaces. mod_rewrite remembers values for as long as the map's time,
// in microseconds, is the same (mod_rewrite.c, get_cache_value). The kernel's
// clock for files moves every 1 to 10 ms only, and may be set back: of two maps
// written within that the second would never be read.
func (s *Staged) date() error {
	before, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old := before.ModTime().Truncate(time.Microsecond)
	// The longer steps are for file systems that keep seconds.
	for _, step := range []time.Duration{time.Microsecond, time.Second, 2 * time.Second} {
		later := max(time.Now().UnixMicro(), old.Add(step).UnixMicro())
		if err := s.setTime(time.UnixMicro(later)); err != nil {
			return err
		}
		now, err := s.file.Stat()
		if err != nil || now.ModTime().After(old) {
			return err
		}
	}
	return fmt.Errorf("its file system keeps no time after %s", old)
}

func (s *Staged) setTime(t time.Time) error {
	times := []unix.Timeval{unix.NsecToTimeval(t.UnixNano()), unix.NsecToTimeval(t.UnixNano())}
	return os.NewSyscallError("futimes", unix.Futimes(int(s.file.Fd()), times))
}

// Sync makes what Commit did survive a power cut.
func (s *Staged) Sync() error { return durable.SyncDir(filepath.Dir(s.path)) }

// Discard removes a map that was not committed.
func (s *Staged) Discard() error {
	return errors.Join(os.Remove(s.file.Name()), s.file.Close())
}
