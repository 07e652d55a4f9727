// Package archive unpacks releases from tar, tar.gz, tar.zst and zip files.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"relink/deploy/source"
	"relink/internal/hint"
	"relink/internal/tree"
)

// Source unpacks a tar, tar.gz, tar.zst or zip file, told apart by content. When
// everything in it lies in one folder, as in what GitHub offers, that folder is
// left out; an archive that names "./" itself is taken as it is.
//
// An entry that would leave the release, go through a link, or is no file,
// folder or link is refused, before anything is unpacked. Of a file that is there
// twice the last counts, as tar has it. Permissions are kept without setuid, setgid
// and write access for group and others.
type Source struct {
	pattern string
	limit   int64
}

// New makes a source of the archive that pattern names. A {ref} in it stands for
// the ref; without one the ref is only a label.
func New(pattern string) *Source { return &Source{pattern: pattern, limit: source.MostBytes} }

var _ source.Source = (*Source)(nil)

// checked is an archive that was read from end to end. Fetch relies on its being
// the same file.
type checked struct {
	path  string
	was   fs.FileInfo
	strip string // the top folder that is left out, with its slash
	bytes int64  // unpacked
	limit int64
	hard  bool // it has hard links
}

var commitComment = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// Resolve reads the whole archive and checks every entry. One that would unpack to more
// than 16 GiB or 1,048,576 files, folders and links, or whose names take more than 128 MiB,
// is source.ErrTooLarge.
func (a *Source) Resolve(ctx context.Context, ref string) (source.Resolved, error) {
	name, info, err := source.Locate(a.pattern, ref)
	if err != nil {
		return source.Resolved{}, err
	}
	if !info.Mode().IsRegular() {
		return source.Resolved{}, hint.With(fmt.Errorf("source %s: %w: it is not a file", name, source.ErrFormat), "use dir: for a folder")
	}
	c := newChecker(a.limit)
	comment, err := readArchive(ctx, name, c.check)
	if err == nil {
		err = c.finish()
	}
	if err != nil {
		return source.Resolved{}, archiveError(name, err)
	}
	r := source.Resolved{Source: name, Ref: ref, Label: ref, Description: "archive " + name, Time: info.ModTime(), Bytes: c.bytes, Inodes: int64(len(c.entries))}
	r.Fetcher = checked{path: name, was: info, strip: c.top(), bytes: c.bytes, limit: a.limit, hard: c.hard}
	if commitComment.MatchString(comment) { // git archive leaves the commit's id there
		r.Commit = comment
	}
	return r, nil
}

// Fetch unpacks the archive. It is bounded as Resolve is, and counts anew.
func (c checked) Fetch(ctx context.Context, into string, progress source.Progress) error {
	_, err := c.update(ctx, into, nil, progress)
	return err
}

// Update leaves out the files that base has as they are. One with hard links is unpacked
// whole: what they lead to has to be there.
func (c checked) Update(ctx context.Context, into string, base source.Base, progress source.Progress) (func(string) bool, error) {
	if c.hard {
		base = nil
	}
	kept, err := c.update(ctx, into, base, progress)
	return func(name string) bool { return kept[name] }, err
}

func (c checked) update(ctx context.Context, into string, base source.Base, progress source.Progress) (kept map[string]bool, err error) {
	info, err := os.Stat(c.path)
	if err == nil && (info.Size() != c.was.Size() || !info.ModTime().Equal(c.was.ModTime())) {
		err = hint.With(tree.ErrChanged, "deploy again when the archive is complete")
	}
	if err == nil {
		err = tree.With(into, func(root *os.Root) error {
			kept, err = c.unpack(ctx, root, base, progress)
			return err
		})
	}
	if err != nil {
		return nil, archiveError(c.path, err)
	}
	return kept, nil
}

func archiveError(name string, err error) error {
	err = fmt.Errorf("archive %s: %w", name, err)
	switch {
	case errors.Is(err, source.ErrDamaged):
		return hint.With(err, "fetch or make the archive again: it looks cut off or damaged")
	case errors.Is(err, source.ErrUnsafe):
		return hint.With(err, "make the archive again without this entry")
	default:
		return err
	}
}
