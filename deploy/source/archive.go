package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"relink/internal/hint"
)

// DefaultArchiveLimit bounds what an archive may unpack to when nobody says otherwise.
const DefaultArchiveLimit = 16 << 30

// Archive unpacks a tar, tar.gz, tar.zst or zip file, told apart by content. When
// everything in it lies in one folder, as in what GitHub offers, that folder is
// left out; an archive that names "./" itself is taken as it is.
//
// An entry that would leave the release, go through a link, or is no file,
// folder or link is refused, before anything is unpacked. Permissions are kept
// without setuid, setgid and write access for group and others.
type Archive struct {
	// Limit is the most bytes that files may take unpacked; 0 means
	// DefaultArchiveLimit. Give what is free on the disk, so that an archive made
	// to fill it is stopped.
	Limit int64

	pattern string
}

// NewArchive makes a source of the archive that pattern names. A {ref} in it
// stands for the ref; without one the ref is only a label.
func NewArchive(pattern string) *Archive { return &Archive{pattern: pattern} }

var _ Source = (*Archive)(nil)

// archivePlan is what Fetch relies on: the same file, checked from end to end.
type archivePlan struct {
	strip    string
	size     int64
	modified time.Time
}

var commitComment = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// Resolve reads the whole archive and checks every entry.
func (a *Archive) Resolve(ctx context.Context, ref string) (Resolved, error) {
	name, info, err := locate(a.pattern, ref)
	if err != nil {
		return Resolved{}, err
	}
	if !info.Mode().IsRegular() {
		return Resolved{}, hint.With(fmt.Errorf("source %s: %w: it is not a file", name, ErrFormat), "use dir: for a folder")
	}
	c := newChecker(a.limit())
	comment, err := readArchive(ctx, name, c.check)
	if err == nil {
		err = c.finish()
	}
	if err != nil {
		return Resolved{}, archiveError(name, err)
	}
	r := Resolved{Source: name, Ref: ref, Label: ref, Description: "archive " + name, Time: info.ModTime(), Bytes: c.bytes, Inodes: c.inodes(),
		plan: archivePlan{strip: c.top(), size: info.Size(), modified: info.ModTime()}}
	if commitComment.MatchString(comment) { // git archive leaves the commit's id there
		r.Commit = comment
	}
	return r, nil
}

func (a *Archive) limit() int64 {
	if a.Limit <= 0 {
		return DefaultArchiveLimit
	}
	return min(a.Limit, 1<<60) // leaves room to count beyond it
}

// Fetch unpacks the archive.
func (a *Archive) Fetch(ctx context.Context, r Resolved, into string, progress Progress) error {
	plan, ok := r.plan.(archivePlan)
	if !ok {
		return fmt.Errorf("unpack %s: it was not resolved by this source", r.Source)
	}
	info, err := os.Stat(r.Source)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", r.Source, err)
	}
	if info.Size() != plan.size || !info.ModTime().Equal(plan.modified) {
		return hint.With(fmt.Errorf("unpack %s: %w", r.Source, ErrChanged), "deploy again when the archive is complete")
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", r.Source, err)
	}
	defer root.Close()
	if err := unpack(ctx, r.Source, root, plan.strip, a.limit(), r.Bytes, progress); err != nil {
		return archiveError(r.Source, err)
	}
	return nil
}

func archiveError(name string, err error) error {
	err = fmt.Errorf("archive %s: %w", name, err)
	switch {
	case errors.Is(err, ErrDamaged):
		return hint.With(err, "fetch or make the archive again: it looks cut off or damaged")
	case errors.Is(err, ErrUnsafe):
		return hint.With(err, "make the archive again without this entry")
	default:
		return err
	}
}
