package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"relink/deploy/source"
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
	now      time.Time // for entries without a time
	folders  map[string]entry
	times    map[string]time.Time // of links
}

func (c checked) unpack(ctx context.Context, root *os.Root, progress source.Progress) error {
	u := newUnpacker(root, c.strip, c.limit)
	u.total, u.progress = c.bytes, progress
	if _, err := readArchive(ctx, c.path, u.visit); err != nil {
		return err
	}
	return u.complete()
}

func newUnpacker(root *os.Root, strip string, limit int64) *unpacker {
	return &unpacker{checker: newChecker(limit), root: root, strip: strip, now: time.Now(),
		folders: map[string]entry{}, times: map[string]time.Time{}}
}

// inside is the name below the staging folder; empty for the top folder itself.
func (u *unpacker) inside(name string) (string, error) {
	if name == "." || name+"/" == u.strip {
		return "", nil
	}
	rest, ok := strings.CutPrefix(name, u.strip)
	if !ok {
		return "", fmt.Errorf("%s: %w", name, source.ErrChanged)
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
	switch {
	case e.mode.IsDir():
		u.folders[at] = e
		return u.root.MkdirAll(at, 0o755)
	case e.mode.Type() == fs.ModeSymlink:
		u.times[at] = u.timeOf(e) // made by complete: nothing can be written through it
		return u.clear(at)
	}
	delete(u.times, at)
	if err := u.root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	if e.hard {
		return u.hardLink(at, e)
	}
	return u.file(name, at, e, content)
}

// clear makes room for an entry that the archive has again.
func (u *unpacker) clear(at string) error {
	if err := u.root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (u *unpacker) file(name, at string, e entry, content io.Reader) error {
	if err := u.clear(at); err != nil {
		return err
	}
	out, err := u.root.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = u.count(name, &progressWriter{out, u}, content)
	if err := errors.Join(err, out.Chmod(fileMode(e.mode)), out.Close()); err != nil {
		return err
	}
	return source.SetTime(u.root, at, u.timeOf(e))
}

type progressWriter struct {
	file *os.File
	u    *unpacker
}

func (w *progressWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.u.written += int64(n)
	w.u.progress.Report(w.u.written, w.u.total)
	return n, err
}

func (u *unpacker) hardLink(at string, e entry) error {
	target, err := cleanName(e.target)
	if err != nil {
		return err
	}
	from, err := u.inside(target)
	if err != nil || from == at {
		return err
	}
	if err := u.clear(at); err != nil {
		return err
	}
	return u.root.Link(from, at)
}

// complete makes the links and finishes the folders.
func (u *unpacker) complete() error {
	if err := u.finish(); err != nil {
		return err
	}
	for at := range u.times {
		if err := u.link(at); err != nil {
			return err
		}
	}
	return u.finishAll()
}

func (u *unpacker) link(at string) error {
	if err := u.root.MkdirAll(path.Dir(at), 0o755); err != nil {
		return err
	}
	if err := u.root.Symlink(u.links[u.strip+at], at); err != nil {
		return err
	}
	return source.SetTime(u.root, at, u.times[at])
}

// finishAll gives the folders their modes and times, those that the archive does
// not list the common ones.
func (u *unpacker) finishAll() error {
	var folders []source.Folder
	for name, k := range u.kinds {
		at, err := u.inside(name)
		if err != nil {
			return err
		}
		if k != kindImplied && k != kindFolder || at == "" {
			continue
		}
		f := source.Folder{Name: at, Mode: 0o755, Time: u.now}
		if e, listed := u.folders[at]; listed {
			f.Mode, f.Time = folderMode(e.mode), u.timeOf(e)
		}
		folders = append(folders, f)
	}
	slices.SortFunc(folders, func(a, b source.Folder) int { return strings.Compare(a.Name, b.Name) })
	return source.FinishFolders(u.root, folders)
}

func (u *unpacker) timeOf(e entry) time.Time {
	if e.modified.IsZero() {
		return u.now
	}
	return e.modified
}

// fileMode: a mode of 0 is written by programs that know no permissions.
func fileMode(mode fs.FileMode) fs.FileMode {
	if mode.Perm() == 0 {
		return 0o644
	}
	return mode.Perm()&0o755 | 0o600
}

func folderMode(mode fs.FileMode) fs.FileMode {
	if mode.Perm() == 0 {
		return 0o755
	}
	return mode.Perm()&0o755 | 0o700
}
