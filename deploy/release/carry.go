package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"relink/deploy/release/kept"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Bounds of what is looked at in one folder of assets.
const (
	maxAssets     = 200_000
	maxAssetDepth = 40
)

// listAssets lists the assets below a folder of the release, by their path in it.
func (s *Store) listAssets(ctx context.Context, id, folder string) (found []string, err error) {
	folder = path.Clean(folder)
	if s.Kept().Has(id) {
		list, err := s.Kept().OfRelease(id)
		if errors.Is(err, kept.ErrGone) {
			err = nil // nothing of it can be handed on
		}
		for name, e := range list.Files {
			if tree.Within(name, folder) && e.Mode.IsRegular() && isAsset(name) && !strings.Contains(name[len(folder):], "/.") {
				found = append(found, name)
			}
		}
		return found, err
	}
	release := s.Path(id)
	err = tree.With(release, func(root *os.Root) error {
		top, err := tree.OpenFolder(root, folder)
		if unusable(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer top.Close()
		return tree.Walk(ctx, root, folder, func(name string, info *tree.Info) error {
			if info.Mode().IsRegular() && isAsset(name) {
				found = append(found, name)
			}
			if len(found) > maxAssets || strings.Count(name[len(folder):], "/") > maxAssetDepth+1 {
				return fmt.Errorf("%s: more than %d files or %d folders deep", name, maxAssets, maxAssetDepth)
			}
			if info.IsDir() && name != folder && strings.HasPrefix(info.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}, nil)
	})
	return found, err
}

// carryFrom gives a release the files of an earlier one, wherever those are, as links where
// it can: each where the release has nothing of the name. A file that is gone or whose
// folder cannot be had is left out.
func (s *Store) carryFrom(ctx context.Context, r Release, target string, files []string) (links int, err error) {
	each := func(carry func(file string) (bool, error)) error {
		for _, file := range files {
			done, err := carry(file)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if done {
				links++
			}
		}
		return nil
	}
	if !r.Away {
		err = tree.Between(r.Path, s.Path(target), func(from, to *os.Root) error {
			l := &linker{from: from, to: to}
			defer l.close()
			return each(func(file string) (bool, error) { return l.carry(ctx, file) })
		})
		return links, err
	}
	list, err := s.Kept().OfRelease(r.ID)
	if errors.Is(err, kept.ErrGone) {
		return 0, nil // nothing of it can be handed on
	}
	if err != nil {
		return 0, err
	}
	err = s.Kept().Find(func(f *kept.Finder) error {
		return tree.With(s.Path(target), func(to *os.Root) error {
			return each(func(file string) (bool, error) { return carryCopy(ctx, f, list.Files[file], to, file) })
		})
	})
	return links, err
}

// carryCopy works under a hidden name, so that nobody is served half a file.
func carryCopy(ctx context.Context, f *kept.Finder, e kept.Entry, to *os.Root, file string) (bool, error) {
	barrier, err := tree.Barrier(to, path.Dir(file))
	if err != nil || barrier != "" || !e.Mode.IsRegular() {
		return false, err
	}
	if _, err := to.Lstat(file); err == nil {
		return false, nil
	}
	if err := tree.MakeFolders(to, path.Dir(file), 0o755, func(string) error { return nil }); err != nil {
		return false, err
	}
	temporary := tree.TemporaryBeside(file)
	err = f.Copy(ctx, e, to, temporary)
	if errors.Is(err, kept.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = to.Link(temporary, file)
	if errors.Is(err, fs.ErrExist) {
		return false, to.Remove(temporary)
	}
	return err == nil, errors.Join(err, to.Remove(temporary))
}

func (l *linker) carry(ctx context.Context, file string) (bool, error) {
	folder, name := path.Dir(file), path.Base(file)
	err := l.open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		err = tree.MakeFolders(l.to, folder, 0o700, l.finish)
		if err == nil {
			err = l.open(folder)
		}
	}
	if unusable(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	into := int(l.target.Fd())
	var linked unix.Stat_t
	err = l.link(ctx, file) // which a file of the name, or a link, forbids
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, tree.ErrChanged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// Only now is it known what was linked: a link or a device goes again.
	if err := unix.Fstatat(into, name, &linked, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if linked.Mode&unix.S_IFMT != unix.S_IFREG || linked.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 {
		return false, unix.Unlinkat(into, name, 0)
	}
	return true, nil
}
