package shared

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"relink/internal/hint"
	"relink/internal/tree"
)

// adopt copies what the release brought to the shared folder, under another name
// first: a copy that was interrupted must not look like the shared entry.
func (s *sharing) adopt(ctx context.Context, name string) error {
	if err := tree.MakeFolders(s.shared, path.Dir(name), 0o755, s.own); err != nil {
		return err
	}
	temporary := tree.TemporaryBeside(name)
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
	top, err := s.release.Lstat(from)
	if err != nil {
		return err
	}
	at := func(name string) string { return to + strings.TrimPrefix(name, from) }
	err = tree.Walk(ctx, s.release, from, func(name string, info *tree.Info) error {
		switch info.Mode().Type() {
		case fs.ModeDir:
			return s.shared.Mkdir(at(name), 0o700)
		case fs.ModeSymlink:
			return s.copyLink(from, name, at(name))
		case 0:
			if err := tree.CopyFile(ctx, s.release, name, s.shared, at(name), fs.ModePerm, nil); err != nil {
				return err
			}
			return s.own(at(name))
		}
		return fmt.Errorf("%w: %s is neither file, folder nor link", ErrEntry, name)
	}, func(name string, info *tree.Info) error { return s.finish(at(name), info) })
	if err == nil && top.IsDir() {
		err = s.finish(to, top)
	}
	return err
}

// copyLink refuses a relative link out of the entry: elsewhere it would point at
// something else.
func (s *sharing) copyLink(top, name, target string) error {
	text, err := s.release.Readlink(name)
	if err != nil {
		return err
	}
	if !path.IsAbs(text) && !tree.Within(path.Join(path.Dir(name), text), top) {
		return hint.With(fmt.Errorf("%w: the link %s points out of it, at %s", ErrEntry, name, text),
			"take the link out of the source")
	}
	if err := s.shared.Symlink(text, target); err != nil {
		return err
	}
	return s.own(target)
}

// finish sets the mode of a folder last: writing into it needs its write permission,
// and a change of owner clears bits.
func (s *sharing) finish(target string, info fs.FileInfo) error {
	if err := s.own(target); err != nil {
		return err
	}
	return tree.Finish(s.shared, target, info.Mode().Perm(), info.ModTime())
}

func (s *sharing) own(target string) error { return s.shared.Lchown(target, s.uid, s.gid) }
