// Package dir copies releases from a folder.
package dir

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/tree"
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
	err = tree.With(dir, func(root *os.Root) error {
		return walk(ctx, root, func(_ string, info fs.FileInfo) error {
			r.Inodes++
			if info.Mode().IsRegular() {
				r.Bytes += info.Size()
			}
			if info.ModTime().After(r.Time) {
				r.Time = info.ModTime()
			}
			return nil
		}, nil)
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
		err = tree.Between(f.path, into, func(from, to *os.Root) error { return f.copy(ctx, from, to, progress) })
	}
	if err != nil {
		return fmt.Errorf("copy %s to %s: %w", f.path, into, err)
	}
	return nil
}

// checkApart refuses to copy a folder into itself, without end.
func checkApart(from, into string) error {
	relative, err := tree.Relative(from, into)
	if err == nil && filepath.IsLocal(relative) {
		return hint.With(fmt.Errorf("%w: the releases folder lies in it", source.ErrUnsafe), "move releases out of the source folder")
	}
	return err
}

// walk visits what is to be copied and refuses what cannot be, and more than a release
// may hold.
func walk(ctx context.Context, root *os.Root, visit, leave tree.Visit) error {
	var entries, bytes int64
	return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
		entries++
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		if err := source.CheckSize(entries, bytes); err != nil {
			return err
		}
		switch kind := info.Mode().Type(); {
		case info.Name() == ".git" && info.IsDir():
			return fs.SkipDir
		case info.Name() == ".git":
			return nil // a submodule's or worktree's pointer
		case kind == 0, kind == fs.ModeDir, kind == fs.ModeSymlink:
			return visit(name, info)
		default:
			return hint.With(fmt.Errorf("%s: %w: it is neither file, folder nor link (%s)", name, source.ErrUnsafe, kind),
				"remove it from the source folder")
		}
	}, leave)
}

// perm is what is kept of a mode: not setuid and setgid, since what a release runs as is
// not for its source to say, and not that others may write, since whoever can write in a
// release is whoever runs as its sites.
const perm = 0o755

func (f folder) copy(ctx context.Context, from, to *os.Root, progress source.Progress) error {
	var done int64
	wrote := func(n int64) {
		done += n
		progress.Report(done, f.bytes)
	}
	return walk(ctx, from, func(name string, info fs.FileInfo) error {
		switch {
		case name == ".":
			return nil // the staging folder's own mode is the caller's
		case info.IsDir():
			return to.Mkdir(name, 0o700)
		case info.Mode().IsRegular():
			return tree.CopyFile(ctx, from, name, to, name, perm, wrote)
		}
		target, err := from.Readlink(name)
		if err != nil {
			return err
		}
		if err := to.Symlink(target, name); err != nil {
			return err
		}
		return tree.SetTime(to, name, info.ModTime())
	}, func(name string, info fs.FileInfo) error {
		return tree.Finish(to, name, info.Mode()&perm, info.ModTime())
	})
}
