package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"relink/deploy/release/kept"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// ErrIncomplete means that what was staged cannot be served: nothing came, or
// the folder that the links or the web server need is missing.
var ErrIncomplete = errors.New("the release is incomplete")

// Staging is a release in the making: a hidden folder on the same file system as
// the releases, so that Seal is one rename.
type Staging struct {
	store *Store
	id    string
	path  string
	held  *os.File  // so that nobody takes it for what a crash has left
	built time.Time // when the build began

	slot *slotStaging // nil: it has a folder of its own
}

// Stage creates the folder for the release id, and the releases folder with it
// on a first deploy.
func (s *Store) Stage(id string) (*Staging, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		return nil, err
	}
	held, err := s.hold(unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	st := &Staging{store: s, id: id, held: held, path: filepath.Join(s.dir, fmt.Sprintf("%s%s-%08x", stagingPrefix, id, rand.Uint32()))}
	if err := os.Mkdir(st.path, 0o755); err != nil {
		return nil, hint.Write(errors.Join(fmt.Errorf("create staging folder: %w", err), held.Close()), s.dir)
	}
	if err := inheritMode(s.dir, st.path); err != nil {
		return nil, errors.Join(err, st.Abort())
	}
	return st, nil
}

// inheritMode gives the release the permissions of the releases folder: under
// root's umask of 077 PHP could not even enter it.
func inheritMode(releases, release string) error {
	info, err := os.Stat(releases)
	if err == nil {
		err = os.Chmod(release, info.Mode()&(fs.ModePerm|fs.ModeSetgid))
	}
	if err != nil {
		return fmt.Errorf("create staging folder: %w", err)
	}
	return nil
}

// Path is the folder to fetch into.
func (st *Staging) Path() string { return st.path }

// Abort removes everything that was staged. After Seal it does nothing.
//
// A slot stays: its list of files still tells what is known of it, and what it holds
// now is compared with that when it is used again. One that was never sealed goes.
func (st *Staging) Abort() error {
	defer st.release()
	if st.slot != nil && len(st.slot.before.Files) > 0 {
		return nil
	}
	if err := tree.Remove(context.Background(), st.path); err != nil {
		return hint.With(fmt.Errorf("remove staging folder: %w", err), "remove %s by hand", st.path)
	}
	return nil
}

// Seal makes the staged folder a release: what sources and hooks have left in it is
// made fit to be served (completion); m, with what one walk counts, and all files are on
// disk before the rename makes the release visible. required are paths inside the release
// that must be folders, such as link_target and docroot; ErrIncomplete names the one that
// is not. Of a script that the build has made it reads at most 4 MiB, of .gitattributes
// 1 MiB.
func (st *Staging) Seal(ctx context.Context, m Manifest, required ...string) (Release, error) {
	return st.seal(ctx, m, func(root *os.Root) (bool, error) { return true, check(root, required) })
}

// seal is Seal of what is made ready otherwise; completes tells whether it still has to be
// made fit to be served.
func (st *Staging) seal(ctx context.Context, m Manifest, ready func(*os.Root) (completes bool, err error)) (Release, error) {
	err := tree.With(st.path, func(root *os.Root) error {
		completes, err := ready(root)
		var c *completion
		if err == nil && completes {
			c, err = st.completion(root)
		}
		if err == nil {
			err = st.look(ctx, root, &m, c)
		}
		if err != nil || st.slot == nil {
			return err
		}
		st.slot.after.Source, st.slot.after.Commit = m.Source, m.Commit
		return st.forget(ctx)
	})
	m.ID, m.Created = st.id, time.Now().UTC()
	if err == nil {
		err = st.writeManifest(m)
	}
	if err == nil {
		if err = st.publish(); err != nil {
			err = errors.Join(err, st.store.removeRecord(st.id))
		}
	}
	if err != nil {
		return Release{}, fmt.Errorf("seal release %s: %w", st.id, err)
	}
	return Release{Manifest: m, Path: st.store.place(st.id), Sealed: true}, st.release()
}

// check looks through os.Root: a folder that only exists by way of a link out of
// the release is not part of it.
func check(root *os.Root, required []string) error {
	for _, name := range required {
		info, err := root.Stat(filepath.Clean(name))
		if err == nil && info.IsDir() {
			continue
		}
		if err == nil {
			err = errNotFolder
		}
		return hint.With(fmt.Errorf("%w: %s: %w", ErrIncomplete, name, err),
			"correct link_target and docroot, or have the source or a build hook create %s", name)
	}
	return nil
}

// writeManifest comes before the rename: after a crash between the two there is
// a manifest without a release, which nobody takes for a release.
func (st *Staging) writeManifest(m Manifest) error {
	if _, err := os.Lstat(st.store.Path(st.id)); err == nil {
		return ErrExists
	}
	return st.store.writeRecord(st.id, record{Manifest: &m})
}

func (st *Staging) publish() error {
	if st.slot != nil {
		return st.occupy()
	}
	if err := durable.SyncFileSystem(st.path); err != nil {
		return err
	}
	if err := renameNew(st.path, st.store.Path(st.id)); err != nil {
		return err
	}
	return durable.SyncDir(st.store.dir)
}

// renameNew never replaces. File systems without RENAME_NOREPLACE (NFS) say
// EINVAL; there the rename itself refuses to replace a folder that holds files.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = os.Rename(from, to)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("%s: %w", to, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("rename %s to %s: %w", from, to, err)
	}
	return nil
}

// BuildBegins says that what is changed from now on is the build's: Seal refuses scripts
// of it that name the staging folder.
func (st *Staging) BuildBegins() {
	time.Sleep(kept.ClockGrain) // what is changed from now on has another ctime
	st.built = time.Now()
}
