// Package release keeps the releases folder of an application: ids, staging, sealing,
// manifests, hooks, the turns of slots, repeats, and what may be pruned.
package release

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/deploy/release/kept"
	"relink/internal/hint"
	"relink/internal/links"

	"golang.org/x/sys/unix"
)

const (
	stagingPrefix = ".staging-"
	trashPrefix   = ".trash-"
)

// Errors that callers tell apart.
var (
	ErrExists    = errors.New("the release exists already")
	ErrNotFound  = errors.New("no such release")
	ErrForeign   = errors.New("not a release that relink sealed")
	ErrInvalidID = errors.New("not a release id")
)

// Store is one application's releases folder:
//
//	<dir>/<id>/                 a release, never written to once it is sealed
//	<dir>/<id> -> slot-3        a release in a slot
//	<dir>/slot-3/               a slot, in which releases take turns
//	<dir>/.relink/slot-3        a link to the id of the release in it
//	<dir>/.relink/*.files       what a slot, or a release that was put away, consists of (kept)
//	<dir>/.relink/<id>.json     its manifest and bad mark
//	<dir>/.staging-<id>-*/      a release in the making
//	<dir>/.trash-<id>-*/        a release on its way out
//
// The manifest lies beside the release, not in it, so that no docroot can
// publish it.
type Store struct {
	dir string
}

// Open returns the store in dir, which need not exist yet: Stage creates it, so
// that a dry run or a listing changes nothing.
func Open(dir string) (*Store, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("releases folder %s: %w", dir, err)
	}
	real, err := filepath.EvalSymlinks(absolute)
	if errors.Is(err, fs.ErrNotExist) {
		return &Store{dir: absolute}, nil
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(real); err == nil && !info.IsDir() {
			err = hint.With(errNotFolder, "set releases to a folder, or move the file away")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("releases folder %s: %w", dir, err)
	}
	return &Store{dir: real}, nil
}

var errNotFolder = errors.New("is not a folder")

// Dir is the releases folder's real path: OPcache knows scripts by that path.
func (s *Store) Dir() string { return s.dir }

// Path is the folder of the release id, whether it exists or not.
func (s *Store) Path(id string) string { return filepath.Join(s.dir, id) }

// place is the real folder of the release id: the slot that it is in, or its own.
func (s *Store) place(id string) string {
	return s.Path(cmp.Or(links.PlaceOf(s.dir, id), id))
}

// Kept is what is kept of releases that are, or were, in slots.
func (s *Store) Kept() kept.Store { return kept.In(s.dir) }

// hold locks the releases folder itself: unix.LOCK_SH while a release is made in it,
// unix.LOCK_EX while what others have left is removed. Two configurations with state
// folders of their own may name one releases folder, and have no other lock in common.
// NFS cannot lock a folder alone (EBADF): there the lock of the deploy is all there is.
func (s *Store) hold(how int) (*os.File, error) {
	folder, err := os.OpenFile(s.dir, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(folder.Fd()), how)
	}
	if err != nil && err != unix.EBADF {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", s.dir, err), folder.Close())
	}
	return folder, nil
}

// create makes the folder and finds its real path, which only now exists.
func (s *Store) create() error {
	if err := os.MkdirAll(filepath.Join(s.dir, links.RecordDir), 0o755); err != nil {
		return hint.Write(fmt.Errorf("create releases folder %s: %w", s.dir, err), s.dir)
	}
	real, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		return fmt.Errorf("releases folder %s: %w", s.dir, err)
	}
	s.dir = real
	return nil
}
