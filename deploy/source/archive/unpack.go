package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"relink/deploy/source"
	"relink/internal/tree"
)

// unpacker writes what the checker admits. The archive is checked once more, as
// the file may not be the one that was checked before. os.Root is the second
// guard, should the first have a hole.
type unpacker struct {
	*checker
	root     *os.Root
	strip    string // the top folder that is left out, with its slash
	total    int64
	written  int64
	progress source.Progress
	now      time.Time       // for entries without a time
	base     source.Base     // nil: nothing is there yet
	kept     map[string]bool // files that base has as they are
}

func (c checked) unpack(ctx context.Context, root *os.Root, base source.Base, progress source.Progress) (kept map[string]bool, err error) {
	u := newUnpacker(root, c.strip, c.limit)
	u.total, u.progress, u.base = c.bytes, progress, base
	if _, err := readArchive(ctx, c.path, u.visit); err != nil {
		return nil, err
	}
	return u.kept, u.complete(ctx)
}

func newUnpacker(root *os.Root, strip string, limit int64) *unpacker {
	return &unpacker{checker: newChecker(limit), root: root, strip: strip, now: time.Now(), kept: map[string]bool{}}
}

// inside is the name below the staging folder; empty for the top folder itself.
func (u *unpacker) inside(name string) (string, error) {
	if name == "." || name+"/" == u.strip {
		return "", nil
	}
	rest, ok := strings.CutPrefix(name, u.strip)
	if !ok {
		return "", fmt.Errorf("%s: %w", name, tree.ErrChanged)
	}
	return rest, nil
}

func (u *unpacker) visit(e entry, content io.Reader) error {
	name, err := u.admit(e)
	if err != nil {
		return err
	}
	at, err := u.inside(name)
	if err != nil || at == "" {
		return err
	}
	if e.mode.IsDir() {
		return u.root.MkdirAll(at, 0o755)
	}
	var linked string
	if e.hard {
		if linked, err = u.inside(path.Clean(e.target)); err != nil || linked == at {
			return err
		}
	}
	// Make room for an entry that the archive has again.
	delete(u.kept, at)
	if err := u.root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if e.mode.Type() == fs.ModeSymlink {
		return nil // made by complete: nothing can be written through it
	}
	if err := u.root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	if e.hard {
		return u.root.Link(linked, at)
	}
	return u.file(name, at, e, content)
}

func (u *unpacker) file(name, at string, e entry, content io.Reader) error {
	if held, there := u.held(at, e); there {
		var text bytes.Buffer
		if err := u.count(name, io.MultiWriter(&text, u), content); err != nil {
			return err
		}
		if sum := sha256.Sum256(text.Bytes()); string(sum[:]) == held.Sum {
			u.kept[at] = true
			return nil
		}
		return u.write(at, e, func(out io.Writer) error {
			_, err := text.WriteTo(out)
			return err
		})
	}
	return u.write(at, e, func(out io.Writer) error { return u.count(name, io.MultiWriter(out, u), content) })
}

// mostHeld is how much of a file is kept in memory until it is told whether it is there as
// it is. Larger ones are written beside, and compared there.
const mostHeld = 4 << 20

func (u *unpacker) held(at string, e entry) (held source.Held, there bool) {
	if u.base == nil || e.size > mostHeld {
		return held, false
	}
	held, there = u.base.Has(at)
	return held, there && held.Mode == permissions(e, 0o644, 0o600) && held.Size == e.size
}

func (u *unpacker) write(at string, e entry, content func(io.Writer) error) error {
	out, err := u.root.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = content(out)
	return errors.Join(err, out.Chmod(permissions(e, 0o644, 0o600)), tree.SetTimeOf(out, u.timeOf(e)), out.Close())
}

// Write tells of the progress of what is written elsewhere.
func (u *unpacker) Write(p []byte) (int, error) {
	u.written += int64(len(p))
	u.progress.Report(u.written, u.total)
	return len(p), nil
}

// complete makes the links, and gives the folders their modes and times, those that the
// archive does not list the common ones.
func (u *unpacker) complete(ctx context.Context) error {
	if err := u.finish(); err != nil {
		return err
	}
	for name, e := range u.entries {
		at, err := u.inside(name)
		if err == nil && e.mode.Type() == fs.ModeSymlink {
			err = u.link(at, e)
		}
		if err != nil {
			return err
		}
	}
	return tree.Walk(ctx, u.root, ".", func(string, *tree.Info) error { return nil }, func(at string, _ *tree.Info) error {
		e := u.entries[u.strip+at]
		return tree.Finish(u.root, at, permissions(e, 0o755, 0o700), u.timeOf(e))
	})
}

func (u *unpacker) link(at string, e entry) error {
	if err := u.root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	if err := u.root.Symlink(e.target, at); err != nil {
		return err
	}
	return tree.SetTime(u.root, at, u.timeOf(e))
}

func (u *unpacker) timeOf(e entry) time.Time {
	if e.modified.IsZero() {
		return u.now
	}
	return e.modified
}

// permissions are the entry's, with those that its owner needs. None at all are written
// by programs that know no permissions.
func permissions(e entry, unknown, owner fs.FileMode) fs.FileMode {
	if e.mode.Perm() == 0 {
		return unknown
	}
	return e.mode.Perm()&0o755 | owner
}
