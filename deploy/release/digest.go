package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"relink/deploy/release/kept"
	"relink/internal/tree"
)

// Digest is the same for the same content, wherever and whenever it was made: of each file,
// link and folder its path, its kind, whether it can be run, and what it holds, with a
// placeholder for the path of the release where a build has written that down. It leaves out
// what is the host's own: the entries without, by their paths, and all below them. Of the
// list of a slot's files it reads at most 64 MiB.
func (s *Store) Digest(ctx context.Context, r Release, without []string) (string, error) {
	sum := sha256.New()
	err := s.Contents(ctx, r, without, func(name, is string) { fmt.Fprintf(sum, "%s %q\n", is, name) })
	return hex.EncodeToString(sum.Sum(nil)), err
}

// Contents tells what Digest is made of, in the order of the walk: of each entry its path,
// and all else in a few words. What a slot holds as its source has brought it is not read
// again: its list has the hashes, and the path of the slot cannot be in it. Of that list it
// reads at most 64 MiB.
func (s *Store) Contents(ctx context.Context, r Release, without []string, tell func(name, is string)) error {
	list, err := s.listOf(r)
	if err == nil {
		err = tree.With(r.Path, func(root *os.Root) error {
			p := pathless{root: root, own: r.Path, list: list}
			return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
				if slices.Contains(without, name) && info.IsDir() {
					return fs.SkipDir
				} else if slices.Contains(without, name) {
					return nil
				}
				content, err := p.holds(ctx, name, info)
				if err == nil {
					tell(name, fmt.Sprintf("%s %v %s", info.Mode().Type(), info.Mode()&0o100 != 0 && info.Mode().IsRegular(), content))
				}
				return err
			}, nil)
		})
	}
	if err != nil {
		return fmt.Errorf("read release %s: %w", r.ID, err)
	}
	return nil
}

// pathless tells what a release holds wherever it lies.
type pathless struct {
	root *os.Root
	own  string    // path of the release
	list kept.List // of its slot; empty where it has a folder of its own
}

func (p pathless) holds(ctx context.Context, name string, info fs.FileInfo) (string, error) {
	if e := p.list.Files[name]; info.IsDir() || e.Made == kept.Brought && p.list.Knows(name, kept.EntryOf(info)) {
		return hex.EncodeToString([]byte(e.Sum)), nil
	}
	if info.Mode().Type() == fs.ModeSymlink {
		to, err := p.root.Readlink(name)
		return hex.EncodeToString([]byte(withoutPlace(to, p.own))), err
	}
	sum := sha256.New()
	content := newPlaceless(sum, p.own)
	err := tree.Read(ctx, p.root, name, info, content)
	content.finish()
	return hex.EncodeToString(sum.Sum(nil)), err
}
