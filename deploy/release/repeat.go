package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Repeat makes a release with the content of an earlier one under a path of its
// own. A release that links have left must not serve under its old path again:
// OPcache keeps the keys of every link that ever led to it, and each of them
// would lead there again as soon as one script of it is compiled. The files are
// hard links, so that it costs folders and no content.
func (s *Store) Repeat(ctx context.Context, of, id string) (Release, error) {
	original, err := s.Get(of)
	if err != nil {
		return Release{}, err
	}
	if !original.Sealed {
		return Release{}, fmt.Errorf("repeat release %s: %w", of, ErrForeign)
	}
	staging, err := s.Stage(id)
	if err != nil {
		return Release{}, err
	}
	// What others brought is not repeated, or it would be handed on for ever.
	rec, err := s.readRecord(of)
	if err == nil {
		err = linkTree(ctx, original.Path, staging.path, rec.Assets.carried)
	}
	if err != nil {
		return Release{}, errors.Join(fmt.Errorf("repeat release %s: %w", of, err), staging.Abort())
	}
	m := original.Manifest
	m.Repeats = original.Content()
	sealed, err := staging.seal(ctx, m)
	if err != nil {
		return Release{}, errors.Join(err, staging.Abort())
	}
	return sealed, nil
}

// linkTree rebuilds the folders of from in to, and links the files into them but
// for those to leave out.
func linkTree(ctx context.Context, from, to string, leaveOut func(name string) bool) error {
	var folders []func() error
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if !entry.IsDir() && leaveOut(relative) {
			return nil
		}
		if !entry.IsDir() {
			return linkFile(path, target, entry)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		folders = append(folders, func() error { return finishFolder(target, info) })
		if relative == "." {
			return nil
		}
		return os.Mkdir(target, 0o700)
	})
	// Innermost first: a folder may forbid to write to it.
	for i := len(folders) - 1; i >= 0 && err == nil; i-- {
		err = folders[i]()
	}
	return err
}

func linkFile(path, target string, entry fs.DirEntry) error {
	err := os.Link(path, target)
	if errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EPERM) && entry.Type().IsRegular() {
		return copyFile(path, target, entry)
	}
	return err
}

// copyFile stands in where a file has too many names already, or where the
// kernel protects the files of others from hard links (fs.protected_hardlinks).
func copyFile(path, target string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(target, content, info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Chmod(target, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(target, info.ModTime(), info.ModTime())
}

func finishFolder(path string, info fs.FileInfo) error {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if err := os.Chmod(path, info.Mode()&(fs.ModePerm|fs.ModeSetgid)); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}
