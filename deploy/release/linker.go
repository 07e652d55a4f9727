package release

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// linker links files of one release into another, each at the place that it has. Folders
// are opened element by element and never through a link: what lies in a release is the
// application's, and relink often runs as root.
type linker struct {
	from, to       *os.Root
	folder         string   // the last one that was opened
	source, target *os.File // of that name
}

func (l *linker) close() {
	l.source.Close()
	l.target.Close()
}

func (l *linker) open(folder string) error {
	if l.source != nil && l.folder == folder {
		return nil
	}
	source, err := tree.OpenFolder(l.from, folder)
	if err != nil {
		return err
	}
	target, err := tree.OpenFolder(l.to, folder)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	l.close()
	l.folder, l.source, l.target = folder, source, target
	return nil
}

// unusable is a folder that is not there, or is something else: a link (ELOOP or
// ENOTDIR), such as a shared entry, or a file.
func unusable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR)
}

// link links a file, whose folder exists in both releases. A copy stands in where it has
// too many names already, or where the kernel protects the files of others from hard
// links (fs.protected_hardlinks).
func (l *linker) link(ctx context.Context, file string) error {
	if err := l.open(path.Dir(file)); err != nil {
		return err
	}
	name := path.Base(file)
	switch err := unix.Linkat(int(l.source.Fd()), name, int(l.target.Fd()), name, 0); err {
	case nil:
		return nil
	case unix.EMLINK, unix.EPERM, unix.EXDEV:
		return l.copy(ctx, file)
	default:
		return &os.LinkError{Op: "link", Old: file, New: file, Err: err}
	}
}

// move has a file by a rename, in the place of what is there: who has that open goes on
// to read it.
func (l *linker) move(file string) error {
	if err := l.open(path.Dir(file)); err != nil {
		return err
	}
	name := path.Base(file)
	if err := unix.Renameat(int(l.source.Fd()), name, int(l.target.Fd()), name); err != nil {
		return &os.LinkError{Op: "rename", Old: file, New: file, Err: err}
	}
	return nil
}

// copy works under a hidden name, so that nobody is served half a file.
func (l *linker) copy(ctx context.Context, file string) error {
	temporary := tree.TemporaryBeside(file)
	if err := tree.CopyFile(ctx, l.from, file, l.to, temporary, fs.ModePerm, nil); err != nil {
		return err
	}
	return errors.Join(l.to.Link(temporary, file), l.to.Remove(temporary))
}

// finish gives a folder the owner, mode and time that it has in the other release.
func (l *linker) finish(folder string) error {
	info, err := l.from.Lstat(folder)
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		if err := l.to.Lchown(folder, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return tree.Finish(l.to, folder, info.Mode()&(fs.ModePerm|fs.ModeSetgid), info.ModTime())
}
