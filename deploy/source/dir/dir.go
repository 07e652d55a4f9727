// Package dir copies releases from a folder.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"relink/deploy/source"
	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// Source copies a folder: files, folders and links with their modes and times, all
// but what is called .git.
type Source struct{ pattern string }

// New makes a source of the folder that pattern names. A {ref} in it stands for
// the ref; without one the ref is only a label.
func New(pattern string) *Source { return &Source{pattern: pattern} }

var _ source.Source = (*Source)(nil)

// Resolve walks the folder, and refuses what could not be copied.
func (d *Source) Resolve(ctx context.Context, ref string) (source.Resolved, error) {
	dir, info, err := source.Locate(d.pattern, ref)
	if err != nil {
		return source.Resolved{}, err
	}
	if !info.IsDir() {
		return source.Resolved{}, hint.With(fmt.Errorf("source %s: is not a folder", dir), "use archive: for an archive")
	}
	r := source.Resolved{Source: dir, Ref: ref, Label: ref, Description: "folder " + dir}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return source.Resolved{}, fmt.Errorf("source %s: %w", dir, err)
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
		return source.Resolved{}, fmt.Errorf("source %s: %w", dir, err)
	}
	r.Fetcher = folder{dir, r.Bytes}
	return r, nil
}

// folder is one that can be copied.
type folder struct {
	path  string
	bytes int64
}

// Fetch copies the folder.
func (f folder) Fetch(ctx context.Context, into string, progress source.Progress) error {
	err := checkApart(f.path, into)
	if err == nil {
		err = f.copy(ctx, into, progress)
	}
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w", f.path, into, err)
	}
	return nil
}

func (f folder) copy(ctx context.Context, into string, progress source.Progress) error {
	from, err := os.OpenRoot(f.path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenRoot(into)
	if err != nil {
		return err
	}
	defer to.Close()
	return (&treeCopy{from: from, to: to, total: f.bytes, progress: progress}).run(ctx)
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
		return hint.With(fmt.Errorf("%w: the releases folder lies in it", source.ErrUnsafe), "move releases out of the source folder")
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
		if err := checkCopyable(name, info.Mode().Type()); err != nil {
			return err
		}
		return visit(name, info)
	})
}

func checkCopyable(name string, kind fs.FileMode) error {
	switch kind {
	case 0, fs.ModeDir, fs.ModeSymlink:
		return nil
	default:
		return hint.With(fmt.Errorf("%s: %w: it is neither file, folder nor link (%s)", name, source.ErrUnsafe, kind),
			"remove it from the source folder")
	}
}

type treeCopy struct {
	from, to    *os.Root
	done, total int64
	progress    source.Progress
	folders     []source.Folder
}

func (c *treeCopy) run(ctx context.Context) error {
	err := walkDir(ctx, c.from, func(name string, info fs.FileInfo) error { return c.entry(ctx, name, info) })
	if err != nil {
		return err
	}
	return source.FinishFolders(c.to, c.folders)
}

// entry keeps the permissions, not setuid and setgid: what a release runs as is
// not for its source to say.
func (c *treeCopy) entry(ctx context.Context, name string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case fs.ModeDir:
		c.folders = append(c.folders, source.Folder{Name: name, Mode: perm(info), Time: info.ModTime()})
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

func (c *treeCopy) link(name string, modified time.Time) error {
	target, err := c.from.Readlink(name)
	if err != nil {
		return err
	}
	if err := c.to.Symlink(target, name); err != nil {
		return err
	}
	return source.SetTime(c.to, name, modified)
}

func (c *treeCopy) file(ctx context.Context, name string, info fs.FileInfo) error {
	in, err := c.open(name)
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
		c.progress.Report(c.done, c.total)
	})
	err = errors.Join(err, out.Chmod(perm(info)), out.Close())
	if err != nil {
		return fmt.Errorf("%s: %w", path.Clean(name), err)
	}
	return source.SetTime(c.to, name, info.ModTime())
}

// open does not wait for a writer, should the file be a fifo by now, and takes nothing
// but a file.
func (c *treeCopy) open(name string) (*os.File, error) {
	in, err := c.from.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", name, source.ErrChanged)
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// copyChunk bounds what is copied before the context is looked at again.
const copyChunk = 8 << 20

// copyContext is io.Copy that a context can stop. Between two files the kernel
// copies (copy_file_range), sharing blocks where the file system can.
func copyContext(ctx context.Context, to *os.File, from io.Reader, wrote func(int64)) (int64, error) {
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := io.CopyN(to, from, copyChunk)
		total += n
		wrote(n)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// perm leaves out that others may write: whoever can write in a release is whoever
// runs as its sites.
func perm(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() &^ 0o022 }
