package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"relink/deploy/release/kept"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/tree"
)

// Repeat makes, in what was begun for it, a release with the content of an earlier one.
// A path that links have left must not serve again in the set-up keyed: OPcache keeps the
// keys of every link that ever led to it, and each of them would lead there again as soon
// as one script of it is compiled; there the files are hard links, so that it costs
// folders and no content. A release that was put away is brought back out of its files.
// build makes again what a build has made that held another path. Of the manifest and
// the list of files at most 64 MiB are read.
func (s *Store) Repeat(ctx context.Context, staging *Staging, of string, build func(context.Context) error) (Release, error) {
	original, err := s.Get(of)
	if err == nil && !original.Sealed {
		err = ErrForeign
	}
	if err != nil {
		return Release{}, fmt.Errorf("repeat release %s: %w", of, err)
	}
	m := original.Manifest
	m.Repeats = original.Content()
	list, err := s.listOf(original)
	if err != nil {
		return Release{}, hint.With(fmt.Errorf("repeat release %s: %w", of, err), "deploy %s again", m.Ref)
	}
	sealed, err := staging.seal(ctx, m, func(root *os.Root) (completes bool, err error) {
		if original.Away {
			err = staging.bringBack(ctx, list)
		} else {
			err = s.linkFrom(ctx, staging, original, root)
		}
		if err != nil {
			return false, err
		}
		again, err := staging.rebuild(root, list)
		if err == nil && again && !original.Away {
			err = unshare(ctx, root)
		}
		if err == nil && again {
			err = build(ctx)
		}
		if err == nil && !again {
			err = giveBack(root, list)
		}
		return again, err
	})
	if err != nil {
		err = fmt.Errorf("repeat release %s: %w", of, err)
	}
	if errors.Is(err, kept.ErrGone) {
		err = hint.With(err, "deploy %s again", m.Ref)
	}
	return sealed, err
}

// unshare gives each file that has other names too, in the release that is repeated, an
// inode of its own: a build could write through it.
func unshare(ctx context.Context, root *os.Root) error {
	return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
		if !info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink < 2 {
			return nil
		}
		temporary := tree.TemporaryBeside(name)
		if err := tree.CopyFile(ctx, root, name, root, temporary, fs.ModePerm, nil); err != nil {
			return err
		}
		return root.Rename(temporary, name)
	}, nil)
}

// listOf is what a release consists of that is, or was, in a slot; an empty list for one
// in a folder of its own.
func (s *Store) listOf(r Release) (kept.List, error) {
	switch slot := links.PlaceOf(s.dir, r.ID); {
	case r.Away:
		return s.Kept().OfRelease(r.ID)
	case slot != "":
		return s.Kept().Read(slot)
	}
	return kept.List{}, nil
}

func (s *Store) linkFrom(ctx context.Context, staging *Staging, original Release, root *os.Root) error {
	// What others brought is not repeated, or it would be handed on for ever.
	rec, err := s.readRecord(original.ID)
	if err != nil {
		return err
	}
	err = tree.With(original.Path, func(from *os.Root) error { return linkAll(ctx, from, root, rec.Assets.carried) })
	if err == nil && staging.slot != nil {
		err = staging.slot.noteAll(ctx, root)
	}
	return err
}

// MadeIn is the slot that a release was made in which was put away; "" for others. Of its
// list of files at most 64 KiB are read.
func (s *Store) MadeIn(id string) string {
	if !s.Kept().Has(id) {
		return ""
	}
	head, _ := s.Kept().ReadHead(id) // Repeat tells what is wrong with it
	return head.Slot
}

// linkAll rebuilds the folders of from in to, and links all else into them but what is
// to be left out.
func linkAll(ctx context.Context, from, to *os.Root, leaveOut func(name string) bool) error {
	l := &linker{from: from, to: to}
	defer l.close()
	err := tree.Walk(ctx, from, ".", func(name string, info *tree.Info) error {
		switch {
		case name == "." || !info.IsDir() && leaveOut(name):
			return nil
		case info.IsDir():
			return to.Mkdir(name, 0o700)
		}
		return l.link(ctx, name)
	}, func(name string, _ *tree.Info) error { return l.finish(name) })
	if err != nil {
		return err
	}
	return l.finish(".")
}

// LabelOf names a repeat by the ref that it was made of. Of the manifest at most 64 MiB are
// read.
func (s *Store) LabelOf(id string) string {
	original, err := s.Get(id)
	if err != nil {
		return id
	}
	return cmp.Or(original.Ref, id)
}
