package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"relink/deploy/release/kept"
	"relink/internal/tree"
)

// bringBack fills a folder with what a release consists of that was put away, but for
// what the slot, if any, has already.
func (st *Staging) bringBack(ctx context.Context, list kept.List) error {
	fill := func(into string) (keeps func(name string) bool, err error) {
		stays := map[string]bool{}
		err = st.store.Kept().Find(func(f *kept.Finder) error {
			return tree.With(into, func(to *os.Root) error {
				for _, name := range slices.Sorted(maps.Keys(list.Files)) {
					e := list.Files[name]
					if st.slot != nil && st.slot.known[name].Holds(e) {
						stays[name] = true
						continue
					}
					if err := f.Put(ctx, e, to, name); err != nil {
						return err
					}
				}
				return nil
			})
		})
		return func(name string) bool { return stays[name] }, err
	}
	if st.slot != nil {
		return st.Fill(ctx, fill)
	}
	_, err := fill(st.path)
	return err
}

// giveBack gives what was brought back the owners and permissions that it had.
func giveBack(root *os.Root, list kept.List) error {
	for name, e := range list.Files {
		if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			continue // it has gone since, from a release that is in a slot still
		}
		if os.Geteuid() == 0 {
			if err := root.Lchown(name, int(e.UID), int(e.GID)); err != nil {
				return err
			}
		}
		if e.Mode.IsDir() {
			if err := root.Chmod(name, e.Mode&(fs.ModePerm|fs.ModeSetgid)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rebuild tells whether what a build has made names the slot that it ran in, which is
// another one now: then that is taken out, to be made again. Of each file it reads at
// most 4 MiB.
func (st *Staging) rebuild(root *os.Root, list kept.List) (bool, error) {
	if st.slot != nil {
		st.slot.as = map[string]kept.Made{}
		for name, e := range list.Files {
			st.slot.as[name] = e.Made
		}
	}
	if list.Slot == st.Slot() {
		return false, nil
	}
	names, altered := false, ""
	for name, e := range list.Files {
		if e.Made == kept.Brought || !e.Mode.IsRegular() {
			continue
		}
		if e.Made == kept.Altered {
			altered = name
		}
		text, err := begins(root, name, mostScript)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		names = names || bytes.Contains(text, []byte("/"+list.Slot))
	}
	if !names {
		return false, nil
	}
	if altered != "" {
		return false, fmt.Errorf("%w: its build has changed %s, which cannot be had as it was", kept.ErrGone, altered)
	}
	for name, e := range list.Files {
		if e.Made != kept.Brought && !e.Mode.IsDir() {
			if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
	}
	return true, nil
}
