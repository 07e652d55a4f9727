package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"relink/deploy/release/kept"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/state"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Slot is a folder in which releases take turns: files that they have in common keep
// path, inode and bytes, so that OPcache, which knows scripts by their real path, has
// them already.
type Slot struct {
	Name    string
	Release string    // that is in it; "" for none
	Last    string    // that was sealed in it last, and may have left it
	Sealed  time.Time // when that was
}

// Free tells whether no release is in it.
func (s Slot) Free() bool { return s.Release == "" }

// Slots lists those of an application, whose history names it: two configurations may
// name one releases folder. Of each list of files it reads at most 64 KiB.
func (s *Store) Slots(app string) ([]Slot, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list slots: %w", err)
	}
	var slots []Slot
	for _, entry := range entries {
		if !entry.IsDir() || !links.IsSlot(entry.Name()) {
			continue
		}
		head, err := s.Kept().ReadHead(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("list slots: %w", err)
		}
		if head.App == app {
			slots = append(slots, Slot{Name: entry.Name(), Release: links.Occupant(s.dir, entry.Name()), Last: links.LastIn(s.dir, entry.Name()), Sealed: head.Sealed})
		}
	}
	return slots, nil
}

// Turn is a slot's next one.
type Turn struct {
	Slot  string
	App   string // whose slot it is
	Swept bool   // every worker has dropped its realpath cache since the slot was left
	// Forget makes the caches forget the scripts below a folder that are not to be kept.
	Forget func(ctx context.Context, folder string, keep func(name string) bool) error
}

// StageIn begins the release id in a slot, which no release is in. What was sealed there
// last stays, and is known (Has).
func (s *Store) StageIn(ctx context.Context, id string, turn Turn) (st *Staging, err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		return nil, err
	}
	st = &Staging{store: s, id: id, path: s.Path(turn.Slot), slot: &slotStaging{Turn: turn}}
	if st.held, err = s.hold(unix.LOCK_SH); err != nil {
		return nil, err
	}
	if err = st.takeTurn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("slot %s: %w", turn.Slot, err), st.release())
	}
	return st, nil
}

func (st *Staging) takeTurn(ctx context.Context) (err error) {
	slot := st.slot
	if slot.before, err = st.store.Kept().Read(slot.Slot); err != nil {
		return err
	}
	err = os.Mkdir(st.path, 0o755)
	switch {
	case err == nil:
		slot.before = kept.List{} // whatever there was under this name, it is gone
	case !errors.Is(err, fs.ErrExist):
		return hint.Write(err, st.store.dir)
	}
	if slot.lock, err = lockSlot(st.path); err != nil {
		return err
	}
	if other := links.Occupant(st.store.dir, slot.Slot); other != "" {
		return fmt.Errorf("release %s is in it", other)
	}
	if os.Geteuid() == 0 { // a build may have given it away: nobody else is to write in it now
		if err := slot.lock.Chown(0, -1); err != nil {
			return err
		}
	}
	if err := inheritMode(st.store.dir, st.path); err != nil {
		return err
	}
	return st.know(ctx)
}

// release gives others their turn.
func (st *Staging) release() error {
	err := st.held.Close()
	if st.slot != nil && st.slot.lock != nil {
		err = errors.Join(err, st.slot.lock.Close())
	}
	return err
}

// lockSlot keeps two deploys apart whose configurations share nothing but the releases
// folder. NFS cannot lock a folder (EBADF).
func lockSlot(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	folder := os.NewFile(uintptr(fd), dir)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil && err != unix.EBADF {
		return nil, hint.With(errors.Join(fmt.Errorf("lock: %w", err), folder.Close()), "another relink makes a release in it: wait for that")
	}
	return folder, nil
}

// Slot is the name of the slot that the release is made in; "" for a folder of its own.
func (st *Staging) Slot() string {
	if st.slot == nil {
		return ""
	}
	return st.slot.Slot
}

// Changes are what the sealed release differs in from what was in the slot before.
func (st *Staging) Changes() Changes {
	if st.slot == nil {
		return Changes{}
	}
	return st.slot.changes
}

// occupy makes the slot the place of the release: from now on its id leads there. The
// list comes first, and only once what it lists is on disk.
func (st *Staging) occupy() error {
	if err := st.sync(); err != nil {
		return err
	}
	name := st.slot.Slot
	if err := st.store.Kept().Write(name, st.slot.after); err != nil {
		return err
	}
	if err := replaceLink(st.id, filepath.Join(st.store.dir, links.RecordDir, name)); err != nil {
		return err
	}
	if err := os.Symlink(name, st.store.Path(st.id)); err != nil {
		return err
	}
	return durable.SyncDir(st.store.dir)
}

func replaceLink(to, link string) error {
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, link); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(link))
}

// leave takes a release out of its slot for good. Its files stay: the next one in the
// slot may want them, unless there is to be none.
func (s *Store) leave(ctx context.Context, id, at string) error {
	err := errors.Join(os.Remove(s.Path(id)), s.removeRecord(id), durable.SyncDir(s.dir))
	if err == nil && !links.IsSlot(at) {
		err = s.RetireSlot(ctx, at)
	}
	return err
}

// RetireSlot gives a slot up: its path never serves again.
func (s *Store) RetireSlot(ctx context.Context, slot string) error {
	if err := s.Kept().SaveAll(ctx, slot); err != nil {
		return fmt.Errorf("slot %s: %w", slot, err)
	}
	if err := tree.Remove(ctx, s.Path(slot)); err != nil {
		return hint.With(err, "remove %s by hand", s.Path(slot))
	}
	return errors.Join(state.Remove(filepath.Join(s.dir, links.RecordDir, slot)), state.Remove(s.Kept().ListPath(slot)))
}
