package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// removeTree is os.RemoveAll that a context can stop and that gets into folders
// without permission for their owner, which sources bring along. It goes by
// descriptor and follows no link: whoever may write somewhere in a release could
// otherwise have root remove, or open to everybody, what is not his.
func removeTree(ctx context.Context, path string) error {
	parent, err := os.Open(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	defer parent.Close()
	return removeIn(ctx, parent, filepath.Base(path), path)
}

// swaps bounds how often an entry may turn from a folder into something else, and
// back, while it is removed.
const swaps = 10

func removeIn(ctx context.Context, parent *os.File, name, path string) error {
	var err error
	for range swaps {
		if err = ctx.Err(); err != nil {
			break
		}
		err = unix.Unlinkat(int(parent.Fd()), name, 0)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EISDIR && err != unix.EPERM {
			break
		}
		if err = removeFolder(ctx, parent, name, path); err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.ENOTEMPTY) {
			break
		}
	}
	return fmt.Errorf("remove %s: %w", path, err)
}

func removeFolder(ctx context.Context, parent *os.File, name, path string) error {
	folder, err := openToEmpty(parent, name)
	if err != nil {
		return err
	}
	defer folder.Close()
	for {
		names, err := folder.Readdirnames(1000)
		for _, one := range names {
			if err := removeIn(ctx, folder, one, filepath.Join(path, one)); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR)
		}
		if err != nil {
			return err
		}
	}
}

// openToEmpty opens a folder, never one behind a link, and gives its owner, who the
// caller is unless he is root, the right to empty it.
func openToEmpty(parent *os.File, name string) (*os.File, error) {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	at := int(parent.Fd())
	if os.Geteuid() != 0 {
		if err := openUp(at, name); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|flags, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func openUp(at int, name string) error {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&0o700 == 0o700 {
		return err
	}
	// fchmod takes no descriptor that was opened by path alone; this is the same.
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), stat.Mode&0o7777|0o700)
}
