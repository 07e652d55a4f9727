package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/state"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// indexSuffix ends the name of a slot's list of files.
const indexSuffix = ".files"

// Slot is a folder in which releases take turns: files that they have in common keep
// path, inode and bytes, so that OPcache, which knows scripts by their real path, has
// them already.
type Slot struct {
	Name    string
	Release string    // that is in it; "" for none
	Last    string    // that was sealed in it last, and may have left it
	Sealed  time.Time // when that was
}

// Slots lists those that may be used, by number.
func (s *Store) Slots() ([]Slot, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list slots: %w", err)
	}
	var slots []Slot
	for _, entry := range entries {
		if !entry.IsDir() || links.SlotNumber(entry.Name()) == 0 {
			continue
		}
		if info, err := os.Lstat(s.indexPath(entry.Name())); err == nil {
			slots = append(slots, Slot{Name: entry.Name(), Release: links.Occupant(s.dir, entry.Name()), Last: links.LastIn(s.dir, entry.Name()), Sealed: info.ModTime()})
		}
	}
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(links.SlotNumber(a.Name), links.SlotNumber(b.Name)) })
	return slots, nil
}

// NewSlot is the name of a slot that there has never been: what PHP remembers of a
// path must be of this slot's own.
func (s *Store) NewSlot() (string, error) {
	last := 0
	for _, dir := range []string{s.dir, filepath.Join(s.dir, links.RecordDir)} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("list slots: %w", err)
		}
		for _, entry := range entries {
			last = max(last, links.SlotNumber(strings.TrimSuffix(entry.Name(), indexSuffix)))
		}
	}
	return links.SlotName(last + 1), nil
}

// StageIn begins the release id in a slot, which no release is in (Vacate). What was
// sealed there last stays, and is known (Has).
func (s *Store) StageIn(ctx context.Context, id, slot string) (st *Staging, err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := s.create(); err != nil {
		return nil, err
	}
	st = &Staging{store: s, id: id, slot: slot, path: s.Path(slot)}
	if st.held, err = s.hold(unix.LOCK_SH); err != nil {
		return nil, err
	}
	if err = st.takeTurn(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("slot %s: %w", slot, err), st.release())
	}
	return st, nil
}

func (st *Staging) takeTurn(ctx context.Context) (err error) {
	if err := os.Mkdir(st.path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return hint.With(err, "run relink as the user that owns %s", st.store.dir)
	}
	if st.turn, err = lockSlot(st.path); err != nil {
		return err
	}
	if other := links.Occupant(st.store.dir, st.slot); other != "" {
		return fmt.Errorf("release %s is in it", other)
	}
	if st.before, err = st.store.readIndex(st.slot); err != nil {
		return err
	}
	return errors.Join(inheritMode(st.store.dir, st.path), st.know(ctx))
}

// release gives others their turn.
func (st *Staging) release() error {
	err := st.held.Close()
	if st.turn != nil {
		err = errors.Join(err, st.turn.Close())
	}
	return err
}

// lockSlot keeps two deploys apart whose configurations share nothing but the releases
// folder. NFS cannot lock a folder (EBADF).
func lockSlot(dir string) (*os.File, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil && err != unix.EBADF {
		return nil, hint.With(errors.Join(fmt.Errorf("lock: %w", err), folder.Close()), "another relink makes a release in it: wait for that")
	}
	return folder, nil
}

// Slot is the name of the slot that the release is made in; "" for a folder of its own.
func (st *Staging) Slot() string { return st.slot }

// Changes are what the sealed release differs in from what was in the slot before.
func (st *Staging) Changes() Changes { return st.changes }

// Fetch has a source fill a folder beside the slot, and takes what is in it. fill
// returns what the slot keeps of its own.
func (st *Staging) Fetch(ctx context.Context, fill func(into string) (keeps func(name string) bool, err error)) error {
	into := filepath.Join(st.store.dir, fmt.Sprintf("%s%s-%08x", stagingPrefix, st.id, rand.Uint32()))
	if err := os.Mkdir(into, 0o755); err != nil {
		return fmt.Errorf("create staging folder: %w", err)
	}
	err := inheritMode(st.store.dir, into)
	if err == nil {
		var keeps func(string) bool
		if keeps, err = fill(into); err == nil {
			err = st.Take(ctx, into, keeps)
		}
	}
	return errors.Join(err, removeTree(context.WithoutCancel(ctx), into))
}

// occupy makes the slot the place of the release: from now on its id leads there.
func (st *Staging) occupy() error {
	if err := errors.Join(durable.SyncFileSystem(st.path), st.store.writeIndex(st.slot, st.after)); err != nil {
		return err
	}
	back := filepath.Join(st.store.dir, links.RecordDir, st.slot)
	if err := os.Remove(back); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(st.id, back); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(back)); err != nil {
		return err
	}
	if err := os.Symlink(st.slot, st.store.Path(st.id)); err != nil {
		return err
	}
	return durable.SyncDir(st.store.dir)
}

// Vacate moves a release out of its slot into a folder of its own, as hard links: its
// path is another one afterwards, its content the same. No link of an instance may lead
// to it. What a crash leaves is the release in its slot, or in the folder.
func (s *Store) Vacate(ctx context.Context, id string) error {
	slot := links.SlotOf(s.dir, id)
	if slot == "" {
		return nil
	}
	folder := filepath.Join(s.dir, fmt.Sprintf("%s%s-%08x", stagingPrefix, id, rand.Uint32()))
	err := os.Mkdir(folder, 0o700)
	if err == nil {
		err = tree.Between(s.Path(slot), folder, func(from, to *os.Root) error {
			return linkAll(ctx, from, to, func(string) bool { return false })
		})
	}
	if err == nil {
		err = durable.SyncFileSystem(folder)
	}
	if err == nil {
		err = exchange(folder, s.Path(id))
	}
	// What is at the temporary name now is the link, or what was made in vain.
	err = errors.Join(err, removeTree(ctx, folder), durable.SyncDir(s.dir))
	if err != nil {
		return fmt.Errorf("release %s leaves %s: %w", id, slot, err)
	}
	return nil
}

// exchange swaps two names. Where the file system cannot (NFS), the second is gone for
// a moment.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = errors.Join(os.Remove(b), os.Rename(a, b))
	}
	return err
}

// leave takes a release out of its slot for good. Its files stay: the next one in the
// slot may want them.
func (s *Store) leave(id string) error {
	return errors.Join(os.Remove(s.Path(id)), s.removeRecord(id), durable.SyncDir(s.dir))
}

func (s *Store) indexPath(slot string) string {
	return filepath.Join(s.dir, links.RecordDir, slot+indexSuffix)
}

// readIndex gives an empty one where there is none, or none that can be read: then
// nothing of the slot is known. It reads at most 64 MiB, about 400,000 files.
func (s *Store) readIndex(slot string) (i index, err error) {
	text, err := state.Read(s.indexPath(slot))
	if errors.Is(err, bounded.ErrTooLarge) {
		return i, nil
	}
	if err != nil || text == nil {
		return i, err
	}
	return parseIndex(text), nil
}

func (s *Store) writeIndex(slot string, i index) error {
	return state.Write(s.indexPath(slot), i)
}
