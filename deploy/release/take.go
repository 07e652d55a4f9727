package release

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"relink/deploy/release/kept"
	"relink/internal/tree"
)

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
		t.brought, t.latest = make(map[string]kept.Entry, len(t.found)), time.Now().Add(-CacheProtection)
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
	latest  time.Time              // that OPcache takes
}

// run has what leaves safely elsewhere before anything comes in its place.
func (t *taking) run(ctx context.Context) error {
	err := tree.Walk(ctx, t.from, ".", func(name string, info *tree.Info) error { return t.compare(ctx, name, info) }, nil)
	if err == nil {
		err = t.clear(ctx)
	}
	if err == nil {
		err = tree.Walk(ctx, t.from, ".", func(name string, info *tree.Info) error { return t.bring(ctx, name, info) }, func(name string, info *tree.Info) error {
			return tree.Finish(t.to, name, info.Mode()&(fs.ModePerm|fs.ModeSetgid), info.ModTime())
		})
	}
	if err != nil {
		return err
	}
	return t.note(ctx)
}

// note remembers what lies in the slot now, before builds begin: what stays is as the turn
// has found it (know), what has come is looked at.
func (t *taking) note(ctx context.Context) error {
	var look []string
	for name := range t.stays {
		if e := t.found[name]; !e.Mode.IsDir() && e.Modified > t.latest.UnixNano() {
			look = append(look, name)
		} else if name != "." {
			t.brought[name] = e
		}
	}
	for name, kind := range t.comes {
		if name != "." && kind.IsDir() { // bring has looked at the others
			look = append(look, name)
		}
	}
	for _, name := range look {
		info, err := t.to.Lstat(name)
		if err == nil {
			err = t.noteOne(ctx, t.to, name, info, t.latest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noteAll remembers all that lies in the slot.
func (s *slotStaging) noteAll(ctx context.Context, root *os.Root) error {
	s.brought = map[string]kept.Entry{}
	latest := time.Now().Add(-CacheProtection)
	return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
		return s.noteOne(ctx, root, name, info, latest)
	}, nil)
}

// noteOne puts times right first that OPcache would not take (complete), or all would look
// as if a build had altered it.
func (s *slotStaging) noteOne(ctx context.Context, root *os.Root, name string, info fs.FileInfo, latest time.Time) (err error) {
	if info.Mode().IsRegular() && info.ModTime().After(latest) {
		if err = tree.SetTime(root, name, latest); err == nil {
			info, err = root.Lstat(name)
		}
	}
	if err != nil {
		return err
	}
	e := kept.EntryOf(info)
	if s.before.Knows(name, e) {
		e.Sum = s.before.Files[name].Sum
	} else if !info.IsDir() {
		e.Sum, err = tree.Sum(ctx, root, name, info)
	}
	s.brought[name] = e
	return err
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
	var leave []string
	for name, e := range t.found {
		kind, comes := t.comes[name]
		if t.stays[name] || e.Mode.IsDir() && comes && kind.IsDir() {
			continue
		}
		leave = append(leave, name)
	}
	slices.Sort(leave)
	for _, name := range slices.Backward(leave) {
		if err := t.leave(ctx, name); err != nil {
			return err
		}
	}
	return t.leaving.Sync()
}

func (t *taking) leave(ctx context.Context, name string) error {
	info, err := t.to.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return t.to.Remove(name)
	}
	return t.leaving.Save(ctx, t.to, name, info, t.before)
}

func (t *taking) bring(ctx context.Context, name string, info *tree.Info) error {
	switch {
	case name == "." || t.stays[name] && !info.IsDir():
		return nil
	case !info.IsDir():
		return t.bringFile(ctx, name, info)
	}
	if there, err := t.to.Lstat(name); err == nil && there.IsDir() {
		return t.to.Chmod(name, there.Mode().Perm()|0o700)
	}
	return t.to.Mkdir(name, 0o700)
}

// bringFile hashes a file where it was fetched, and notes it as it is where it belongs.
func (t *taking) bringFile(ctx context.Context, name string, info *tree.Info) error {
	if info.Mode().IsRegular() && info.ModTime().After(t.latest) { // see noteOne
		if err := info.SetTime(t.latest); err != nil {
			return err
		}
	}
	sum, err := tree.Sum(ctx, t.from, name, info)
	if err == nil {
		err = t.move(name)
	}
	if err != nil {
		return err
	}
	now, err := tree.LstatIn(t.target, path.Base(name))
	if err != nil {
		return err
	}
	e := kept.EntryOf(now)
	e.Sum = sum
	t.brought[name] = e
	return nil
}
