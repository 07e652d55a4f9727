package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/tree"
)

// ErrUnfit: PHP's workers may remember of the slot what the release changes, and can
// not be told: where a link in it leads (realpath cache), and settings of a folder
// (.user.ini, for user_ini.cache_ttl).
var ErrUnfit = errors.New("the slot cannot take the release")

// userINI is PHP's default of user_ini.filename.
const userINI = ".user.ini"

// Changes are what a release in a slot differs in from what was sealed there before.
type Changes struct {
	Files   int      `json:"files"`   // files and links of the release
	Changed []string `json:"changed"` // other content or permissions, or new
	Removed []string `json:"removed"`
}

// Names are all that OPcache may hold otherwise than they are now.
func (c Changes) Names() []string { return slices.Concat(c.Changed, c.Removed) }

// know finds out which files of the slot are as they were sealed. Another name that a
// file gets or loses, in a release that is kept, changes its ctime too: then it is read.
func (st *Staging) know(ctx context.Context) error {
	st.known = map[string]indexed{}
	return tree.With(st.path, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
			e, was := st.before.Files[name]
			now := entryOf(info)
			if !was || info.IsDir() || e.Mode != now.Mode || e.Size != now.Size || e.Modified != now.Modified {
				return nil
			}
			if !st.before.knows(name, info) {
				if sum, err := tree.Sum(ctx, root, name, info); err != nil || sum != e.Sum {
					return err
				}
			}
			now.Sum, now.Made = e.Sum, e.Made
			st.known[name] = now
			return nil
		}, nil)
	})
}

// untouched tells whether a file is still what know has found.
func (st *Staging) untouched(name string, now indexed) bool {
	e, known := st.known[name]
	now.Sum, now.Made = e.Sum, e.Made
	return known && e == now
}

// Base is the release whose files the slot holds; the commit is "" where that says
// nothing of them.
func (st *Staging) Base() (source, commit string) { return st.before.Source, st.before.Commit }

// Has tells of a file that the slot has as the source of its last release brought it.
func (st *Staging) Has(name string) (source.Held, bool) {
	e, known := st.known[name]
	return source.Held{Mode: e.Mode, Size: e.Size, Sum: e.Sum}, known && !e.Made
}

// Take brings into the slot what a source has put into the folder fetched, and what it
// says that it keeps. All else goes: what a build has made last time is made again.
func (st *Staging) Take(ctx context.Context, fetched string, keeps func(name string) bool) error {
	return tree.Between(fetched, st.path, func(from, to *os.Root) error {
		t := &taking{Staging: st, linker: linker{from: from, to: to}, keeps: keeps, came: map[string]bool{}}
		defer t.close()
		return t.run(ctx)
	})
}

type taking struct {
	*Staging
	linker
	keeps func(string) bool
	came  map[string]bool // names that stay
}

func (t *taking) run(ctx context.Context) error {
	err := tree.Walk(ctx, t.from, ".", func(name string, info fs.FileInfo) error { return t.take(ctx, name, info) }, nil)
	if err != nil {
		return err
	}
	var folders []string
	err = tree.Walk(ctx, t.to, ".", func(name string, info fs.FileInfo) error {
		if info.IsDir() {
			folders = append(folders, name)
			return nil
		}
		if t.stays(name) {
			for dir := path.Dir(name); !t.came[dir]; dir = path.Dir(dir) {
				t.came[dir] = true
			}
			return nil
		}
		return t.to.Remove(name)
	}, nil)
	for _, name := range slices.Backward(folders) {
		if err == nil && !t.came[name] && name != "." {
			err = t.to.Remove(name)
		}
	}
	if err != nil {
		return err
	}
	return tree.Walk(ctx, t.from, ".", func(string, fs.FileInfo) error { return nil }, func(name string, info fs.FileInfo) error {
		return tree.Finish(t.to, name, info.Mode()&(fs.ModePerm|fs.ModeSetgid), info.ModTime())
	})
}

// take has a file by a rename: whoever reads the old one goes on to read it.
func (t *taking) take(ctx context.Context, name string, info fs.FileInfo) error {
	t.came[name] = true
	there, err := t.to.Lstat(name)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case info.IsDir() && err == nil && there.IsDir():
		return t.to.Chmod(name, there.Mode().Perm()|0o700)
	case err == nil && (info.IsDir() || there.IsDir()):
		if err := t.to.RemoveAll(name); err != nil {
			return err
		}
	}
	if info.IsDir() {
		return t.to.Mkdir(name, 0o700)
	}
	if e, known := t.known[name]; known && e.Mode == info.Mode() && e.Size == info.Size() {
		sum, err := tree.Sum(ctx, t.from, name, info)
		if err != nil || sum == e.Sum {
			return err
		}
	}
	return t.move(name)
}

// stays tells whether the slot's own file is the release's too.
func (t *taking) stays(name string) bool {
	_, known := t.known[name]
	return t.came[name] || known && t.keeps(name)
}

// brought notes which files are as their source brought them, before builds begin.
func (st *Staging) brought(ctx context.Context) error {
	st.brings = map[string]indexed{}
	return tree.With(st.path, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
			if info.Mode().IsRegular() {
				st.brings[name] = entryOf(info)
			}
			return nil
		}, nil)
	})
}

// unshare gives the slot files of its own where a file has other names too, in releases
// that are kept: a build could write through them.
func (st *Staging) unshare(ctx context.Context) error {
	return tree.With(st.path, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
			if !info.Mode().IsRegular() || linksTo(info) < 2 {
				return nil
			}
			temporary := temporaryBeside(name)
			if err := tree.CopyFile(ctx, root, name, root, temporary, fs.ModePerm, nil); err != nil {
				return err
			}
			return root.Rename(temporary, name)
		}, nil)
	})
}

// reconcile finds what the finished release differs in from what was sealed in the slot
// before, by content: a build that makes the same again changes nothing.
func (st *Staging) reconcile(ctx context.Context, root *os.Root) error {
	st.after = index{Sealed: time.Now(), Files: map[string]indexed{}}
	st.changes = Changes{Changed: []string{}, Removed: []string{}}
	err := tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
		if info.IsDir() {
			return st.unfitFolder(name)
		}
		e, err := st.entryNow(ctx, root, name, info)
		st.after.Files[name] = e
		return err
	}, nil)
	if err != nil {
		return err
	}
	for name, e := range st.before.Files {
		if _, there := st.after.Files[name]; there {
			continue
		}
		st.changes.Removed = append(st.changes.Removed, name)
		if err := unfit(name, e, indexed{}); err != nil {
			return err
		}
	}
	slices.Sort(st.changes.Removed)
	st.changes.Files = len(st.after.Files)
	return nil
}

func (st *Staging) entryNow(ctx context.Context, root *os.Root, name string, info fs.FileInfo) (indexed, error) {
	before, was := st.before.Files[name]
	e := entryOf(info)
	if st.untouched(name, e) {
		e.Sum, e.Made = before.Sum, before.Made
		return e, nil
	}
	came, brought := st.brings[name]
	e.Made = st.brings != nil && (!brought || came != e)
	var err error
	if e.Sum, err = tree.Sum(ctx, root, name, info); err != nil {
		return e, err
	}
	if was && before.Sum == e.Sum && before.Mode == e.Mode {
		if before.Modified == e.Modified {
			return e, nil
		}
		// For opcache.validate_timestamps a file is what its time says.
		if err := tree.SetTime(root, name, time.Unix(0, before.Modified)); err != nil {
			return e, err
		}
		info, err := root.Lstat(name)
		if err == nil {
			now := entryOf(info)
			e.Modified, e.Changed = now.Modified, now.Changed
		}
		return e, err
	}
	st.changes.Changed = append(st.changes.Changed, name)
	if !was {
		return e, nil
	}
	return e, unfit(name, before, e)
}

// unfitFolder refuses a folder where a file or link was: PHP's realpath cache would find
// nothing in it (Zend/zend_virtual_cwd.c, tsrm_realpath_r).
func (st *Staging) unfitFolder(name string) error {
	if before, was := st.before.Files[name]; was {
		return unfit(name, before, indexed{Mode: fs.ModeDir})
	}
	return nil
}

func unfit(name string, before, now indexed) error {
	switch {
	case path.Base(name) == userINI:
		return fmt.Errorf("%w: %s changes, which workers remember", ErrUnfit, name)
	case now.Mode.IsDir():
		return fmt.Errorf("%w: %s is a folder now, and workers remember that it was none", ErrUnfit, name)
	case before.Mode.Type() == fs.ModeSymlink && (now.Mode.Type() != fs.ModeSymlink || now.Sum != before.Sum):
		return fmt.Errorf("%w: the link %s leads elsewhere, and workers remember where it led", ErrUnfit, name)
	}
	return nil
}

// RetireSlot gives a slot up: its path never serves again. Its list of files stays as
// an empty one, so that its number is not taken once more.
func (s *Store) RetireSlot(ctx context.Context, slot string) error {
	if err := s.writeIndex(slot, index{}); err != nil {
		return err
	}
	if err := removeTree(ctx, s.Path(slot)); err != nil {
		return hint.With(err, "remove %s by hand", s.Path(slot))
	}
	return nil
}

func linksTo(info fs.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }
