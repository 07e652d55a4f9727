package release

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/durable"
	"relink/internal/links"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// PutAway takes a release out of its slot and keeps it: its list of files stays, and
// where the slot's next release has another file in the place of one of them, that is
// kept beside (contents). No link of an instance may lead to it.
func (s *Store) PutAway(id string) error {
	slot := links.PlaceOf(s.dir, id)
	if slot == "" {
		return nil
	}
	err := os.Link(s.indexPath(slot), s.indexPath(id)) // occupy replaces the first of them, and never writes to it
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = durable.SyncDir(filepath.Join(s.dir, links.RecordDir))
	}
	if err == nil {
		err = os.Remove(s.Path(id))
	}
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("release %s leaves %s: %w", id, slot, err)
	}
	return nil
}

// isAway tells of a release that was put away.
func (s *Store) isAway(id string) bool {
	_, err := os.Lstat(s.indexPath(id))
	return err == nil && !links.IsPlace(id)
}

// away lists the releases that were put away, but for those that are in a slot still: an
// interruption leaves their list.
func (s *Store) away() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, links.RecordDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, entry := range entries {
		id, list := strings.CutSuffix(entry.Name(), indexSuffix)
		if _, err := os.Lstat(s.Path(id)); list && !links.IsPlace(id) && errors.Is(err, fs.ErrNotExist) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// contentsDir holds, named by their SHA-256, the files that only releases need which
// were put away.
const contentsDir = "contents"

type contents struct {
	dir *os.File
}

func (s *Store) openContents() (*contents, error) {
	dir := filepath.Join(s.dir, links.RecordDir, contentsDir)
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = durable.SyncDir(filepath.Dir(dir))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("keep files of earlier releases: %w", err)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return &contents{dir: os.NewFile(uintptr(fd), dir)}, nil
}

func (c *contents) Close() error { return c.dir.Close() }

// save takes a file out of a slot, if it holds what the list says: another name that it
// has got since, as an asset of other releases, has touched it too. What nothing is known
// of goes.
func (c *contents) save(ctx context.Context, root *os.Root, name string, info fs.FileInfo, i index) error {
	e := i.Files[name]
	holds := info.Mode().IsRegular() && e.Mode.IsRegular() && e.Size == info.Size()
	if holds && !i.knows(name, info) {
		sum, err := tree.Sum(ctx, root, name, info)
		if err != nil {
			return err
		}
		holds = sum == e.Sum
	}
	if !holds {
		return root.Remove(name)
	}
	folder, err := openFolder(root, path.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Renameat(int(folder.Fd()), path.Base(name), int(c.dir.Fd()), hex.EncodeToString([]byte(e.Sum))); err != nil {
		return &os.LinkError{Op: "rename", Old: name, New: c.dir.Name(), Err: err}
	}
	return nil
}

// saveAll has of a slot that is given up what other releases may need.
func (s *Store) saveAll(ctx context.Context, slot string) error {
	away, err := s.away()
	if err != nil || len(away) == 0 {
		return err
	}
	i, err := s.readIndex(slot)
	if err != nil {
		return err
	}
	leaving, err := s.openContents()
	if err != nil {
		return err
	}
	defer leaving.Close()
	err = tree.With(s.Path(slot), func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
			if info.IsDir() {
				return nil
			}
			return leaving.save(ctx, root, name, info, i)
		}, nil)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, leaving.dir.Sync())
}

// SweepContents removes the files that no release needs any more. Of each list of files it
// reads at most 64 MiB.
func (s *Store) SweepContents() error {
	dir := filepath.Join(s.dir, links.RecordDir, contentsDir)
	kept, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(kept) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	ids, err := s.away()
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, id := range ids {
		i, err := s.readList(id)
		if errors.Is(err, ErrContentGone) {
			return nil // nobody knows what that one needs; Repeat tells of it
		}
		if err != nil {
			return err
		}
		for _, e := range i.Files {
			needed[hex.EncodeToString([]byte(e.Sum))] = true
		}
	}
	for _, file := range kept {
		if needed[file.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, file.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readList reads what a release consists of that was put away.
func (s *Store) readList(id string) (index, error) {
	i, err := s.readIndex(id)
	if err == nil && len(i.Files) == 0 {
		err = fmt.Errorf("%w: %s cannot be read", ErrContentGone, s.indexPath(id))
	}
	return i, err
}

// ErrContentGone: a file of a release that was put away is nowhere any more. Somebody has
// changed it, in the release that had it too.
var ErrContentGone = errors.New("a file of the release is gone")

// finder finds files by what they hold: beside, or in the slots.
type finder struct {
	store *Store
	kept  *os.Root
	slots []*os.Root
	lists []index
	where map[string][]place // nil until it is needed
}

type place struct {
	slot int
	name string
}

func (s *Store) find(do func(f *finder) error) error {
	leaving, err := s.openContents() // so that it is there
	if err == nil {
		err = leaving.Close()
	}
	if err != nil {
		return err
	}
	f := &finder{store: s}
	defer f.close()
	if f.kept, err = os.OpenRoot(filepath.Join(s.dir, links.RecordDir, contentsDir)); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() || !links.IsPlace(entry.Name()) {
			continue
		}
		list, err := s.readIndex(entry.Name())
		if err != nil {
			return err
		}
		root, err := os.OpenRoot(s.Path(entry.Name()))
		if err != nil {
			return err
		}
		f.slots, f.lists = append(f.slots, root), append(f.lists, list)
	}
	return do(f)
}

func (f *finder) close() {
	for _, root := range append(f.slots, f.kept) {
		if root != nil {
			root.Close()
		}
	}
}

// copy puts a file with the content, permissions and time of e at a name that is free.
func (f *finder) copy(ctx context.Context, e indexed, to *os.Root, name string) error {
	done, err := f.copyFrom(ctx, f.kept, hex.EncodeToString([]byte(e.Sum)), e, to, name)
	for _, at := range f.places(e.Sum) {
		if done || err != nil {
			break
		}
		done, err = f.copyFrom(ctx, f.slots[at.slot], at.name, e, to, name)
	}
	if err == nil && !done {
		err = fmt.Errorf("%w: %s", ErrContentGone, name)
	}
	return err
}

func (f *finder) places(sum string) []place {
	if f.where == nil {
		f.where = map[string][]place{}
		for slot, list := range f.lists {
			for name, e := range list.Files {
				if e.Mode.IsRegular() {
					f.where[e.Sum] = append(f.where[e.Sum], place{slot, name})
				}
			}
		}
	}
	return f.where[sum]
}

// copyFrom believes nothing but the content.
func (f *finder) copyFrom(ctx context.Context, from *os.Root, at string, e indexed, to *os.Root, name string) (bool, error) {
	err := tree.CopyFile(ctx, from, at, to, name, fs.ModePerm, nil)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrChanged) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := to.Lstat(name)
	var sum string
	if err == nil {
		sum, err = tree.Sum(ctx, to, name, info)
	}
	if err != nil {
		return false, err
	}
	if sum != e.Sum {
		return false, to.Remove(name)
	}
	return true, errors.Join(to.Chmod(name, e.Mode.Perm()), tree.SetTime(to, name, time.Unix(0, e.Modified)))
}

// bringBack fills a folder with what a release consists of that was put away, but for
// what the slot, if any, has already.
func (st *Staging) bringBack(ctx context.Context, list index) error {
	fill := func(into string) (keeps func(name string) bool, err error) {
		kept := map[string]bool{}
		err = st.store.find(func(f *finder) error {
			return tree.With(into, func(to *os.Root) error {
				for _, name := range slices.Sorted(maps.Keys(list.Files)) {
					e := list.Files[name]
					if st.slot != nil && st.slot.known[name].holds(e) {
						kept[name] = true
						continue
					}
					if err := f.put(ctx, e, to, name); err != nil {
						return err
					}
				}
				return nil
			})
		})
		return func(name string) bool { return kept[name] }, err
	}
	if st.slot != nil {
		return st.Fetch(ctx, fill)
	}
	_, err := fill(st.path)
	return err
}

// holds tells whether the two have the same content and permissions.
func (e indexed) holds(other indexed) bool {
	return e.Mode == other.Mode && e.Sum == other.Sum && !e.Mode.IsDir() && e.Sum != ""
}

// giveBack gives what was brought back the owners and permissions that it had.
func giveBack(root *os.Root, list index) error {
	for name, e := range list.Files {
		if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			continue // it has gone since, from a release that is in a slot still
		}
		if os.Geteuid() == 0 {
			if err := root.Lchown(name, int(e.UID), int(e.GID)); err != nil {
				return err
			}
		}
		if e.Mode.IsDir() {
			if err := root.Chmod(name, e.Mode&(fs.ModePerm|fs.ModeSetgid)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rebuild tells whether what a build has made names the slot that it ran in, which is
// another one now: then that is taken out, to be made again. Of each file it reads at
// most 4 MiB.
func (st *Staging) rebuild(root *os.Root, list index) (bool, error) {
	if st.slot != nil {
		st.slot.as = map[string]Made{}
		for name, e := range list.Files {
			st.slot.as[name] = e.Made
		}
	}
	if list.Slot == st.Slot() {
		return false, nil
	}
	names, altered := false, ""
	for name, e := range list.Files {
		if e.Made == Brought || !e.Mode.IsRegular() {
			continue
		}
		if e.Made == Altered {
			altered = name
		}
		text, err := begins(root, name, mostScript)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		names = names || bytes.Contains(text, []byte("/"+list.Slot))
	}
	if !names {
		return false, nil
	}
	if altered != "" {
		return false, fmt.Errorf("%w: its build has changed %s, which cannot be had as it was", ErrContentGone, altered)
	}
	for name, e := range list.Files {
		if e.Made != Brought && !e.Mode.IsDir() {
			if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
	}
	return true, nil
}

func (f *finder) put(ctx context.Context, e indexed, to *os.Root, name string) error {
	if err := tree.MakeFolders(to, path.Dir(name), 0o755, func(string) error { return nil }); err != nil {
		return err
	}
	switch e.Mode.Type() {
	case fs.ModeDir:
		if err := to.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case fs.ModeSymlink:
		return to.Symlink(e.Sum, name)
	}
	return f.copy(ctx, e, to, name)
}
