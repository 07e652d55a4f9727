package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"relink/internal/pace"

	"golang.org/x/sys/unix"
)

// ErrChanged means that something is no longer what it was when it was looked at.
var ErrChanged = errors.New("changed while it was read")

// copyChunk bounds what is copied before the context is looked at again.
const copyChunk = 8 << 20

// CopyFile copies a file with the time it has, and the permissions in mask, to a name
// that must be free. wrote, which may be nil, is told of the bytes as they are written.
// It does not wait for a writer, should the file be a fifo by now, and takes nothing but
// a file that no link leads to, and no more of it than there was.
func CopyFile(ctx context.Context, from *os.Root, name string, to *os.Root, target string, mask fs.FileMode, wrote func(int64)) error {
	info, err := from.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", name, ErrChanged)
	}
	in, err := from.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if opened, err := in.Stat(); err != nil || !sameFile(info, opened) {
		return fmt.Errorf("%s: %w", name, errors.Join(ErrChanged, err))
	}
	out, err := to.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = copyContent(ctx, out, in, info.Size(), wrote)
	err = errors.Join(err, out.Chmod(info.Mode().Perm()&mask), SetTimeOf(out, info.ModTime()), out.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), to.Remove(target))
	}
	return nil
}

// copyContent has the kernel copy (copy_file_range), sharing blocks where the file
// system can.
func copyContent(ctx context.Context, to io.Writer, from *os.File, left int64, wrote func(int64)) error {
	for left > 0 {
		if err := pace.Rest(ctx); err != nil {
			return err
		}
		n, err := io.CopyN(to, from, min(left, copyChunk))
		left -= n
		if wrote != nil {
			wrote(n)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
