package release

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

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
	before, after kept.List             // what was sealed in it last, and what is now
	found         map[string]kept.Entry // what lay under each name when the turn began
	known         map[string]kept.Entry // files and links that nobody had touched since they were sealed
	brought       map[string]kept.Entry // what has come, before builds begin
	as            map[string]kept.Made  // what that was in the release that it comes from
	changes       Changes
}

// Changes are what a release in a slot differs in from what was sealed there before.
type Changes struct {
	Files   int      `json:"files"`   // files and links of the release
	Changed []string `json:"changed"` // other content, owner or permissions, or new
	Removed []string `json:"removed"`
}

// know finds out what of the slot is as it was sealed, and then takes from others what
// they may own or write to: what an earlier build has granted is this one's to grant. From
// then on nobody else can write into the slot: what stays until builds begin need not be
// looked at again (take, Links).
func (st *Staging) know(ctx context.Context) error {
	slot := st.slot
	most := len(slot.before.Files)
	slot.found, slot.known = make(map[string]kept.Entry, most), make(map[string]kept.Entry, most)
	return tree.With(st.path, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
			if name == "." {
				return nil
			}
			e := kept.EntryOf(info)
			slot.found[name] = e
			if !info.IsDir() && slot.before.Knows(name, e) {
				e = slot.before.Files[name]
				slot.known[name] = e
			} else if err := slot.strange(root, name, e); err != nil {
				return err
			}
			touched, err := takeBack(root, name, info, e.UID)
			if _, known := slot.known[name]; err == nil && touched && known && info.Mode().IsRegular() {
				err = slot.anew(ctx, root, name, e)
			}
			if err == nil && touched {
				e, err = entryAt(root, name, e)
			}
			slot.found[name] = e
			return err
		}, nil)
	})
}

// anew makes a file that others owned another one, which holds what was sealed: who has
// opened it for writing can still write into the old one. What holds something else is not
// known.
func (s *slotStaging) anew(ctx context.Context, root *os.Root, name string, e kept.Entry) error {
	copied := name + ".relink-" + rand.Text()
	held, err := kept.CopyIf(ctx, root, name, e, root, copied)
	if err != nil || !held {
		delete(s.known, name)
		return err
	}
	return errors.Join(root.Lchown(copied, 0, int(e.GID)), root.Rename(copied, name))
}

// entryAt looks again at what has been touched, and not its content.
func entryAt(root *os.Root, name string, was kept.Entry) (kept.Entry, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return kept.Entry{}, err
	}
	e := kept.EntryOf(info)
	e.Made, e.Sum = was.Made, was.Sum
	return e, nil
}

// strange refuses what was made since, and workers may remember.
func (s *slotStaging) strange(root *os.Root, name string, now kept.Entry) (err error) {
	switch now.Mode.Type() {
	case fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		if now.Sum, err = root.Readlink(name); err != nil {
			return err
		}
	}
	return s.unfit(name, s.before.Files[name], now)
}

// takeBack leaves nobody else a way to write into the slot while a release is made in it.
func takeBack(root *os.Root, name string, info fs.FileInfo, owner uint32) (touched bool, err error) {
	if os.Geteuid() == 0 && owner != 0 {
		touched = true
		if err := root.Lchown(name, 0, -1); err != nil {
			return touched, err
		}
	}
	const mine, others = 0o700, 0o022
	if perm := info.Mode().Perm(); info.IsDir() && (perm&others != 0 || perm&mine != mine) {
		return true, root.Chmod(name, info.Mode()&(fs.ModePerm|fs.ModeSetgid)&^others|mine)
	}
	return touched, nil
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
	was, there := s.found[name]
	found := was.Mode.Type()
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
