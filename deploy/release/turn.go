package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"relink/deploy/release/kept"
	"relink/deploy/source"
	"relink/internal/tree"
)

// ErrUnfit: PHP's workers may remember of the slot what the release changes, and can
// not be told: settings of a folder (.user.ini, for user_ini.cache_ttl), and, unless all
// have just dropped it, what kind of thing a name is and where a link leads (realpath
// cache).
var ErrUnfit = errors.New("the slot cannot take the release")

// userINI is PHP's default of user_ini.filename.
const userINI = ".user.ini"

// slotStaging is what a release that is made in a slot needs beside.
type slotStaging struct {
	Turn
	lock          *os.File
	before, after kept.List              // what was sealed in it last, and what is now
	found         map[string]fs.FileMode // what kind of thing each name was when the turn began
	known         map[string]kept.Entry  // files and links that nobody has touched since they were sealed
	brought       map[string]kept.Entry  // what has come, before builds begin
	as            map[string]kept.Made   // what that was in the release that it comes from
	changes       Changes
}

// Changes are what a release in a slot differs in from what was sealed there before.
type Changes struct {
	Files   int      `json:"files"`   // files and links of the release
	Changed []string `json:"changed"` // other content, owner or permissions, or new
	Removed []string `json:"removed"`
}

// know finds out what of the slot is as it was sealed, and then takes from others what
// they may own or write to: what an earlier build has granted is this one's to grant.
func (st *Staging) know(ctx context.Context) error {
	slot := st.slot
	slot.found, slot.known = map[string]fs.FileMode{}, map[string]kept.Entry{}
	return tree.With(st.path, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
			if name == "." {
				return nil
			}
			slot.found[name] = info.Mode().Type()
			if !info.IsDir() && slot.before.Knows(name, info) {
				slot.known[name] = slot.before.Files[name]
			} else if err := slot.strange(root, name, info); err != nil {
				return err
			}
			return takeBack(root, name, info)
		}, nil)
	})
}

// strange refuses what was made since, and workers may remember.
func (s *slotStaging) strange(root *os.Root, name string, info fs.FileInfo) error {
	was := s.before.Files[name]
	if info.Mode().Type() == fs.ModeSymlink {
		text, err := root.Readlink(name)
		if err != nil {
			return err
		}
		return s.unfit(name, was, kept.Entry{Mode: info.Mode(), Sum: text})
	}
	if info.IsDir() {
		return nil
	}
	return s.unfit(name, was, kept.EntryOf(info))
}

// takeBack leaves nobody else a way to write into the slot while a release is made in it.
func takeBack(root *os.Root, name string, info fs.FileInfo) error {
	if os.Geteuid() == 0 && kept.EntryOf(info).UID != 0 {
		if err := root.Lchown(name, 0, -1); err != nil {
			return err
		}
	}
	const mine, others = 0o700, 0o022
	if perm := info.Mode().Perm(); info.IsDir() && (perm&others != 0 || perm&mine != mine) {
		return root.Chmod(name, info.Mode()&(fs.ModePerm|fs.ModeSetgid)&^others|mine)
	}
	return nil
}

// Base is the release whose files the slot holds.
func (st *Staging) Base() (source, commit string) {
	return st.slot.before.Source, st.slot.before.Commit
}

// Has tells of a file that the slot has as the source of its last release brought it.
func (st *Staging) Has(name string) (source.Held, bool) {
	e, known := st.slot.known[name]
	return source.Held{Mode: e.Mode, Size: e.Size, Sum: e.Sum}, known && e.Made == kept.Brought
}

// take brings into the slot what a source has put into the folder fetched, and what it
// says that it keeps. All else goes: what a build has made last time is made again.
func (st *Staging) take(ctx context.Context, fetched string, keeps func(name string) bool) error {
	leaving, err := st.store.Kept().Open()
	if err != nil {
		return err
	}
	defer leaving.Close()
	return tree.Between(fetched, st.path, func(from, to *os.Root) error {
		t := &taking{slotStaging: st.slot, linker: linker{from: from, to: to}, leaving: leaving, keeps: keeps, comes: map[string]fs.FileMode{}, stays: map[string]bool{}}
		defer t.close()
		return t.run(ctx)
	})
}

type taking struct {
	*slotStaging
	linker
	leaving *kept.Contents
	keeps   func(string) bool
	comes   map[string]fs.FileMode // what the source brings
	stays   map[string]bool        // files that the slot has already, and the folders that they are in
}

// run has what leaves safely elsewhere before anything comes in its place.
func (t *taking) run(ctx context.Context) error {
	err := tree.Walk(ctx, t.from, ".", func(name string, info fs.FileInfo) error { return t.compare(ctx, name, info) }, nil)
	if err == nil {
		err = t.clear(ctx)
	}
	if err == nil {
		err = tree.Walk(ctx, t.from, ".", t.bring, func(name string, info fs.FileInfo) error {
			return tree.Finish(t.to, name, info.Mode()&(fs.ModePerm|fs.ModeSetgid), info.ModTime())
		})
	}
	if err != nil {
		return err
	}
	return t.note(ctx, t.to)
}

// note remembers what has come. Times that OPcache would not take are put right first
// (complete), or all would look as if a build had altered it.
func (s *slotStaging) note(ctx context.Context, root *os.Root) error {
	s.brought = map[string]kept.Entry{}
	latest := time.Now().Add(-CacheProtection)
	return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) (err error) {
		if info.Mode().IsRegular() && info.ModTime().After(latest) {
			if err = tree.SetTime(root, name, latest); err == nil {
				info, err = root.Lstat(name)
			}
		}
		if err != nil {
			return err
		}
		e := kept.EntryOf(info)
		if s.before.Knows(name, info) {
			e.Sum = s.before.Files[name].Sum
		} else if !info.IsDir() {
			e.Sum, err = tree.Sum(ctx, root, name, info)
		}
		s.brought[name] = e
		return err
	}, nil)
}

// compare finds out what comes, and what of it is there.
func (t *taking) compare(ctx context.Context, name string, info fs.FileInfo) error {
	t.comes[name] = info.Mode().Type()
	e, known := t.known[name]
	if info.IsDir() || !known || e.Mode != info.Mode() || e.Size != info.Size() {
		return nil
	}
	sum, err := tree.Sum(ctx, t.from, name, info)
	if err == nil && sum == e.Sum {
		t.stay(name)
	}
	return err
}

func (t *taking) stay(name string) {
	for ; !t.stays[name]; name = path.Dir(name) {
		t.stays[name] = true
	}
}

// clear has all leave that does not stay, innermost first.
func (t *taking) clear(ctx context.Context) error {
	for name := range t.known {
		if t.keeps(name) {
			t.stay(name)
		}
	}
	err := tree.Walk(ctx, t.to, ".", func(name string, info fs.FileInfo) error {
		if info.IsDir() || t.stays[name] {
			return nil
		}
		return t.leaving.Save(ctx, t.to, name, info, t.before)
	}, func(name string, _ fs.FileInfo) error {
		kind, comes := t.comes[name]
		if t.stays[name] || comes && kind.IsDir() {
			return nil
		}
		return t.to.Remove(name)
	})
	if err != nil {
		return err
	}
	return t.leaving.Sync()
}

func (t *taking) bring(name string, info fs.FileInfo) error {
	switch {
	case name == "." || t.stays[name] && !info.IsDir():
		return nil
	case !info.IsDir():
		return t.move(name)
	}
	if there, err := t.to.Lstat(name); err == nil && there.IsDir() {
		return t.to.Chmod(name, there.Mode().Perm()|0o700)
	}
	return t.to.Mkdir(name, 0o700)
}

// reconcile finds what the finished release differs in from what was sealed in the slot
// before, by content: a build that makes the same again changes nothing.
func (st *Staging) reconcile(ctx context.Context, root *os.Root) error {
	slot := st.slot
	select { // what is changed from now on has another ctime
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * kept.ClockGrain):
	}
	slot.after = kept.List{App: slot.App, Slot: slot.Slot, Sealed: time.Now(), Files: map[string]kept.Entry{}}
	slot.changes = Changes{Changed: []string{}, Removed: []string{}}
	err := tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
		if name == "." {
			return nil
		}
		e, err := slot.entryNow(ctx, root, name, info)
		slot.after.Files[name] = e
		return err
	}, nil)
	if err != nil {
		return err
	}
	for name, kind := range slot.found {
		if _, there := slot.after.Files[name]; !there && !kind.IsDir() {
			if err := slot.unfit(name, slot.before.Files[name], kept.Entry{}); err != nil {
				return err
			}
		}
	}
	for name, e := range slot.before.Files {
		if _, there := slot.after.Files[name]; !there && !e.Mode.IsDir() {
			slot.changes.Removed = append(slot.changes.Removed, name)
		}
	}
	slices.Sort(slot.changes.Removed)
	return nil
}

func (s *slotStaging) entryNow(ctx context.Context, root *os.Root, name string, info fs.FileInfo) (e kept.Entry, err error) {
	before, was := s.before.Files[name]
	e = kept.EntryOf(info)
	if info.IsDir() {
		e.Made = s.madeBy(name, e)
		return e, s.unfit(name, before, e)
	}
	s.changes.Files++
	e.Sum = s.brought[name].Sum
	if came, brought := s.brought[name]; !brought || e != came { // somebody has touched it since
		if e.Sum, err = tree.Sum(ctx, root, name, info); err != nil {
			return e, err
		}
	}
	e.Made = s.madeBy(name, e)
	switch {
	case !was, !before.SameAs(e):
		s.changes.Changed = append(s.changes.Changed, name)
		return e, s.unfit(name, before, e)
	case before.Modified == e.Modified:
		return e, nil
	}
	// For opcache.validate_timestamps a file is what its time says.
	if err := tree.SetTime(root, name, time.Unix(0, before.Modified)); err != nil {
		return e, err
	}
	made, sum := e.Made, e.Sum
	if info, err = root.Lstat(name); err == nil {
		e = kept.EntryOf(info)
		e.Made, e.Sum = made, sum
	}
	return e, err
}

// madeBy tells whether it is as it came, by content: whoever owns it now.
func (s *slotStaging) madeBy(name string, e kept.Entry) kept.Made {
	came, brought := s.brought[name]
	switch {
	case brought && came.Mode == e.Mode && came.Sum == e.Sum:
		return s.as[name]
	case brought && s.as[name] == kept.Brought && e.Mode.IsRegular() && came.Mode.IsRegular():
		return kept.Altered
	}
	return kept.Built
}

// forget has the caches keep of the slot only what they have compiled from just what is
// there now: of a file that nobody had touched from when it was sealed until this turn
// began, and that holds the same now.
func (st *Staging) forget(ctx context.Context) error {
	slot := st.slot
	return slot.Forget(ctx, st.path, func(name string) bool {
		known, ok := slot.known[name]
		after, there := slot.after.Files[name]
		return ok && there && known.SameAs(after) && known.Modified == after.Modified
	})
}

// unfit refuses what workers may remember otherwise than it is now.
func (s *slotStaging) unfit(name string, before, now kept.Entry) error {
	found, there := s.found[name]
	otherKind := there && found != now.Mode.Type() && (found != 0 || now.Mode.IsDir())
	led := before.Mode.Type() == fs.ModeSymlink && before.Sum != now.Sum || found == fs.ModeSymlink && before.Sum != now.Sum
	switch {
	case path.Base(name) == userINI && len(s.found) > 0 && (before.Sum != now.Sum || now.Sum == ""):
		return fmt.Errorf("%w: %s has changed, which workers remember", ErrUnfit, name)
	case s.Swept:
		return nil
	case otherKind || led:
		return fmt.Errorf("%w: %s was a link or folder, or is one now, and workers remember where it led", ErrUnfit, name)
	}
	return nil
}
