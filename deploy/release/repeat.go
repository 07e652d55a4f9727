package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"relink/internal/tree"
)

// Repeat makes a release with the content of an earlier one under a path of its
// own. A release that links have left must not serve under its old path again:
// OPcache keeps the keys of every link that ever led to it, and each of them
// would lead there again as soon as one script of it is compiled. The files are
// hard links, so that it costs folders and no content. Of the manifest at most 64 MiB are
// read.
func (s *Store) Repeat(ctx context.Context, of, id string) (Release, error) {
	original, err := s.Get(of)
	if err != nil {
		return Release{}, err
	}
	if !original.Sealed {
		return Release{}, fmt.Errorf("repeat release %s: %w", of, ErrForeign)
	}
	staging, err := s.Stage(id)
	if err != nil {
		return Release{}, err
	}
	m := original.Manifest
	m.Repeats = original.Content()
	sealed, err := staging.seal(ctx, m, func(root *os.Root) error {
		// What others brought is not repeated, or it would be handed on for ever.
		rec, err := s.readRecord(of)
		if err != nil {
			return err
		}
		return tree.With(original.Path, func(from *os.Root) error { return linkAll(ctx, from, root, rec.Assets.carried) })
	})
	if err != nil {
		return Release{}, errors.Join(fmt.Errorf("repeat release %s: %w", of, err), staging.Abort())
	}
	return sealed, nil
}

// linkAll rebuilds the folders of from in to, and links all else into them but what is
// to be left out.
func linkAll(ctx context.Context, from, to *os.Root, leaveOut func(name string) bool) error {
	l := &linker{from: from, to: to}
	defer l.close()
	err := tree.Walk(ctx, from, ".", func(name string, info fs.FileInfo) error {
		switch {
		case name == "." || !info.IsDir() && leaveOut(name):
			return nil
		case info.IsDir():
			return to.Mkdir(name, 0o700)
		}
		return l.link(ctx, name)
	}, func(name string, _ fs.FileInfo) error { return l.finish(name) })
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
