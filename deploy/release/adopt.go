package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"

	"relink/internal/hint"
)

// adopt copies what the release brought to the shared folder, under another name
// first: a copy that was interrupted must not look like the shared entry.
func (s *sharing) adopt(ctx context.Context, name string) error {
	if err := s.makeFolders(path.Dir(name)); err != nil {
		return err
	}
	temporary := path.Join(path.Dir(name), fmt.Sprintf(".relink-%08x", rand.Uint32()))
	err := s.copyTree(ctx, name, temporary)
	if err == nil {
		err = s.shared.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copy it to the shared folder: %w", err), s.shared.RemoveAll(temporary))
	}
	return nil
}

// copyTree walks the release, where nothing else writes yet, and never follows a
// link.
func (s *sharing) copyTree(ctx context.Context, from, to string) error {
	var folders []func() error
	err := fs.WalkDir(s.release.FS(), from, func(name string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := path.Join(to, relative)
		if info.IsDir() {
			folders = append(folders, func() error { return s.finish(target, info) })
		}
		return s.copyEntry(from, name, target, info)
	})
	for i := len(folders) - 1; i >= 0 && err == nil; i-- {
		err = folders[i]()
	}
	return err
}

func (s *sharing) copyEntry(top, name, target string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case fs.ModeDir:
		return s.shared.Mkdir(target, 0o700)
	case fs.ModeSymlink:
		return s.copyLink(top, name, target)
	case 0:
		if err := s.copyFile(name, target); err != nil {
			return err
		}
		return s.finish(target, info)
	default:
		return fmt.Errorf("%w: %s is neither file, folder nor link", ErrSharedEntry, name)
	}
}

// copyLink refuses a relative link out of the entry: elsewhere it would point at
// something else.
func (s *sharing) copyLink(top, name, target string) error {
	text, err := s.release.Readlink(name)
	if err != nil {
		return err
	}
	if !path.IsAbs(text) && !within(path.Join(path.Dir(name), text), top) {
		return hint.With(fmt.Errorf("%w: the link %s points out of it, at %s", ErrSharedEntry, name, text),
			"take the link out of the source")
	}
	if err := s.shared.Symlink(text, target); err != nil {
		return err
	}
	return s.shared.Lchown(target, s.uid, s.gid)
}

func (s *sharing) copyFile(name, target string) error {
	in, err := s.release.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := s.shared.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// finish sets the mode last: writing into a folder needs its write permission,
// and a change of owner clears bits.
func (s *sharing) finish(target string, info fs.FileInfo) error {
	if err := s.shared.Lchown(target, s.uid, s.gid); err != nil {
		return err
	}
	if err := s.shared.Chmod(target, info.Mode().Perm()); err != nil {
		return err
	}
	return s.shared.Chtimes(target, info.ModTime(), info.ModTime())
}
