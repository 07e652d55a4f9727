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
		return walk(ctx, root, func(_ string, info *tree.Info) error {
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
	_, err := f.Update(ctx, into, nothing{}, progress)
	return err
}

// nothing is there on a first deploy.
type nothing struct{}

func (nothing) Base() (source, commit string)          { return "", "" }
func (nothing) Has(string) (held source.Held, ok bool) { return held, false }

// Update leaves out the files that are the same, by size, mode and content: times may be
// the same of all, where a build is to be reproducible.
func (f folder) Update(ctx context.Context, into string, base source.Base, progress source.Progress) (func(string) bool, error) {
	c := copying{base: base, kept: map[string]bool{}}
	c.wrote = func(n int64) {
		c.done += n
		progress.Report(c.done, f.bytes)
	}
	err := checkApart(f.path, into)
	if err == nil {
		err = tree.Between(f.path, into, func(from, to *os.Root) error {
			c.from, c.to = from, to
			return c.run(ctx)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("copy %s to %s: %w", f.path, into, err)
	}
	return func(name string) bool { return c.kept[name] }, nil
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
	return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
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

// copying is one copy of the folder.
type copying struct {
	from, to *os.Root
	base     source.Base
	kept     map[string]bool
	wrote    func(int64)
	done     int64
}

func (c *copying) run(ctx context.Context) error {
	return walk(ctx, c.from, func(name string, info *tree.Info) error {
		switch {
		case name == ".":
			return nil // the staging folder's own mode is the caller's
		case info.IsDir():
			return c.to.Mkdir(name, 0o700)
		case info.Mode().IsRegular():
			return c.file(ctx, name, info)
		}
		target, err := c.from.Readlink(name)
		if err != nil {
			return err
		}
		if err := c.to.Symlink(target, name); err != nil {
			return err
		}
		return tree.SetTime(c.to, name, info.ModTime())
	}, func(name string, info *tree.Info) error {
		return tree.Finish(c.to, name, info.Mode()&perm, info.ModTime())
	})
}

func (c *copying) file(ctx context.Context, name string, info fs.FileInfo) error {
	if held, there := c.base.Has(name); there && held.Size == info.Size() && held.Mode == info.Mode()&perm {
		sum, err := tree.Sum(ctx, c.from, name, info)
		if err != nil {
			return err
		}
		if sum == held.Sum {
			c.kept[name] = true
			c.wrote(info.Size())
			return nil
		}
	}
	return tree.CopyFile(ctx, c.from, name, c.to, name, perm, c.wrote)
}
