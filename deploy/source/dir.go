package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"relink/internal/hint"
)

// Dir copies a folder: files, folders and links with their modes and times, all
// but what is called .git.
type Dir struct{ pattern string }

// NewDir makes a source of the folder that pattern names. A {ref} in it stands
// for the ref; without one the ref is only a label.
func NewDir(pattern string) *Dir { return &Dir{pattern: pattern} }

var _ Source = (*Dir)(nil)

// Resolve walks the folder, and refuses what could not be copied.
func (d *Dir) Resolve(ctx context.Context, ref string) (Resolved, error) {
	dir, info, err := locate(d.pattern, ref)
	if err != nil {
		return Resolved{}, err
	}
	if !info.IsDir() {
		return Resolved{}, hint.With(fmt.Errorf("source %s: is not a folder", dir), "use archive: for an archive")
	}
	r := Resolved{Source: dir, Ref: ref, Label: ref, Description: "folder " + dir}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Resolved{}, fmt.Errorf("source %s: %w", dir, err)
	}
	defer root.Close()
	err = walkDir(ctx, root, func(_ string, info fs.FileInfo) error {
		r.Inodes++
		if info.Mode().IsRegular() {
			r.Bytes += info.Size()
		}
		if info.ModTime().After(r.Time) {
			r.Time = info.ModTime()
		}
		return nil
	})
	if err != nil {
		return Resolved{}, fmt.Errorf("source %s: %w", dir, err)
	}
	return r, nil
}

// Fetch copies the folder.
func (d *Dir) Fetch(ctx context.Context, r Resolved, into string, progress Progress) error {
	if err := checkApart(r.Source, into); err != nil {
		return fmt.Errorf("copy %s: %w", r.Source, err)
	}
	from, err := os.OpenRoot(r.Source)
	if err != nil {
		return fmt.Errorf("copy %s: %w", r.Source, err)
	}
	defer from.Close()
	to, err := os.OpenRoot(into)
	if err != nil {
		return fmt.Errorf("copy %s: %w", r.Source, err)
	}
	defer to.Close()
	c := &dirCopy{from: from, to: to, total: r.Bytes, progress: progress}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("copy %s: %w", r.Source, err)
	}
	return nil
}

// checkApart refuses to copy a folder into itself, without end.
func checkApart(from, into string) error {
	realFrom, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	realInto, err := filepath.EvalSymlinks(into)
	if err != nil {
		return err
	}
	if relative, err := filepath.Rel(realFrom, realInto); err == nil && filepath.IsLocal(relative) {
		return hint.With(fmt.Errorf("%w: the releases folder lies in it", ErrUnsafe), "move releases out of the source folder")
	}
	return nil
}

// walkDir visits what is to be copied and refuses what cannot be.
func walkDir(ctx context.Context, root *os.Root, visit func(name string, info fs.FileInfo) error) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if entry.Name() == ".git" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil // a submodule's or worktree's pointer
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if err := checkCopyable(root, name, info); err != nil {
			return err
		}
		return visit(name, info)
	})
}

func checkCopyable(root *os.Root, name string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case 0, fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		return checkLink(name, target)
	default:
		return hint.With(fmt.Errorf("%s: %w: it is neither file, folder nor link (%s)", name, ErrUnsafe, info.Mode().Type()),
			"remove it from the source folder")
	}
}

type dirCopy struct {
	from, to    *os.Root
	done, total int64
	progress    Progress
	folders     []folder
	links       []string
}

func (c *dirCopy) run(ctx context.Context) error {
	err := walkDir(ctx, c.from, func(name string, info fs.FileInfo) error { return c.entry(ctx, name, info) })
	if err != nil {
		return err
	}
	if err := checkLinks(c.to, c.links); err != nil {
		return err
	}
	return finishFolders(c.to, c.folders)
}

// entry keeps the permissions, not setuid and setgid: what a release runs as is
// not for its source to say.
func (c *dirCopy) entry(ctx context.Context, name string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case fs.ModeDir:
		c.folders = append(c.folders, folder{name, info.Mode().Perm(), info.ModTime()})
		if name == "." {
			return nil
		}
		return c.to.Mkdir(name, 0o700)
	case fs.ModeSymlink:
		return c.link(name, info.ModTime())
	default:
		return c.file(ctx, name, info)
	}
}

func (c *dirCopy) link(name string, modified time.Time) error {
	target, err := c.from.Readlink(name)
	if err != nil {
		return err
	}
	if err := checkLink(name, target); err != nil {
		return err // it changed since the walk looked at it
	}
	c.links = append(c.links, name)
	if err := c.to.Symlink(target, name); err != nil {
		return err
	}
	return setTime(c.to, name, modified)
}

func (c *dirCopy) file(ctx context.Context, name string, info fs.FileInfo) error {
	in, err := c.from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = copyContext(ctx, out, in, func(n int64) {
		c.done += n
		c.progress.report(c.done, c.total)
	})
	err = errors.Join(err, out.Chmod(info.Mode().Perm()), out.Close())
	if err != nil {
		return fmt.Errorf("%s: %w", path.Clean(name), err)
	}
	return setTime(c.to, name, info.ModTime())
}
