package kept

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"relink/internal/links"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Finder finds files by what they hold: beside, or in the slots.
type Finder struct {
	store Store
	kept  *os.Root
	slots []*os.Root
	lists []List
	where map[string][]place // nil until it is needed
}

type place struct {
	slot int
	name string
}

// Find finds files of releases that were put away, for as long as do works.
func (s Store) Find(do func(f *Finder) error) error {
	leaving, err := s.Open() // so that it is there
	if err == nil {
		err = leaving.Close()
	}
	if err != nil {
		return err
	}
	f := &Finder{store: s}
	defer f.close()
	if f.kept, err = tree.OpenRoot(filepath.Join(s.recordDir(), contentsDir)); err != nil {
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
		list, err := s.Read(entry.Name())
		if err != nil {
			return err
		}
		root, err := tree.OpenRoot(filepath.Join(s.dir, entry.Name()))
		if err != nil {
			return err
		}
		f.slots, f.lists = append(f.slots, root), append(f.lists, list)
	}
	return do(f)
}

func (f *Finder) close() {
	for _, root := range append(f.slots, f.kept) {
		if root != nil {
			root.Close()
		}
	}
}

// Copy puts a file with the content, permissions and time of e at a name that is free.
func (f *Finder) Copy(ctx context.Context, e Entry, to *os.Root, name string) error {
	done, err := CopyIf(ctx, f.kept, hex.EncodeToString([]byte(e.Sum)), e, to, name)
	for _, at := range f.places(e.Sum) {
		if done || err != nil {
			break
		}
		done, err = CopyIf(ctx, f.slots[at.slot], at.name, e, to, name)
	}
	if err == nil && !done {
		err = fmt.Errorf("%w: %s", ErrGone, name)
	}
	return err
}

func (f *Finder) places(sum string) []place {
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

// CopyIf copies what lies at a name if it holds what the entry says. It believes nothing
// but the content.
func CopyIf(ctx context.Context, from *os.Root, at string, e Entry, to *os.Root, name string) (held bool, err error) {
	err = tree.CopyFile(ctx, from, at, to, name, fs.ModePerm, nil)
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

// Put makes a file, folder or link that was of a release, and the folders on the way to it.
func (f *Finder) Put(ctx context.Context, e Entry, to *os.Root, name string) error {
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
	return f.Copy(ctx, e, to, name)
}
