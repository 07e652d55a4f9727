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

	"relink/internal/durable"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// contentsDir holds, named by their SHA-256, the files that only releases need which
// were put away.
const contentsDir = "contents"

// Contents are the files that are kept beside.
type Contents struct {
	dir *os.File
}

// Open makes the folder of contents if there is none yet.
func (s Store) Open() (*Contents, error) {
	dir := filepath.Join(s.recordDir(), contentsDir)
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
	return &Contents{dir: os.NewFile(uintptr(fd), dir)}, nil
}

// Close ends it.
func (c *Contents) Close() error { return c.dir.Close() }

// Sync makes what was saved durable.
func (c *Contents) Sync() error { return c.dir.Sync() }

// Save takes a file out of a slot, if it holds what the list says: another name that it
// has got since, as an asset of other releases, has touched it too. What nothing is known
// of goes.
func (c *Contents) Save(ctx context.Context, root *os.Root, name string, info fs.FileInfo, i List) error {
	e := i.Files[name]
	holds := info.Mode().IsRegular() && e.Mode.IsRegular() && e.Size == info.Size()
	known := i.Knows(name, EntryOf(info)) // and on disk, since it was sealed
	if holds && !known {
		sum, err := tree.Sum(ctx, root, name, info)
		if err != nil {
			return err
		}
		holds = sum == e.Sum
	}
	if !holds {
		return root.Remove(name)
	}
	if !known {
		if err := tree.Sync(root, name); err != nil {
			return err
		}
	}
	folder, err := tree.OpenFolder(root, path.Dir(name))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Renameat(int(folder.Fd()), path.Base(name), int(c.dir.Fd()), hex.EncodeToString([]byte(e.Sum))); err != nil {
		return &os.LinkError{Op: "rename", Old: name, New: c.dir.Name(), Err: err}
	}
	return nil
}

// SaveAll has of a slot that is given up what other releases may need.
func (s Store) SaveAll(ctx context.Context, slot string) error {
	away, err := s.All()
	if err != nil || len(away) == 0 {
		return err
	}
	i, err := s.Read(slot)
	if err != nil {
		return err
	}
	leaving, err := s.Open()
	if err != nil {
		return err
	}
	defer leaving.Close()
	err = tree.With(filepath.Join(s.dir, slot), func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
			if info.IsDir() {
				return nil
			}
			return leaving.Save(ctx, root, name, info, i)
		}, nil)
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, leaving.Sync())
}

// Sweep removes the files that no release needs any more. Of each list of files it
// reads at most 64 MiB.
func (s Store) Sweep() error {
	dir := filepath.Join(s.recordDir(), contentsDir)
	kept, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(kept) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	ids, err := s.All()
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, id := range ids {
		i, err := s.OfRelease(id)
		if errors.Is(err, ErrGone) {
			return nil // nobody knows what that one needs; bringing it back tells of it
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
