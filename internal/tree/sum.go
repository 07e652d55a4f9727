package tree

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openFound opens what a walk visits in the folder that is open there, which costs one
// call; of anything else the way is walked from the root.
func openFound(root *os.Root, name string, info fs.FileInfo) (*os.File, error) {
	visited, is := info.(*Info)
	if !is || visited.folder.fd < 0 {
		return root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	}
	for {
		fd, err := unix.Openat(visited.folder.fd, visited.Name(), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

// Sum is what a file or link holds: the SHA-256 of a file, as 32 bytes, and the text of
// a link. It reads no more than info says that there is.
func Sum(ctx context.Context, root *os.Root, name string, info fs.FileInfo) (string, error) {
	if info.Mode().Type() == fs.ModeSymlink {
		return root.Readlink(name)
	}
	sum := sha256.New()
	err := Read(ctx, root, name, info, sum)
	return string(sum.Sum(nil)), err
}

// Read writes what a file holds, and no more than info says that there is.
func Read(ctx context.Context, root *os.Root, name string, info fs.FileInfo, to io.Writer) error {
	file, err := OpenAndRead(ctx, root, name, info, to)
	if err != nil {
		return err
	}
	return file.Close()
}

// OpenAndRead is Read of a file that stays open.
func OpenAndRead(ctx context.Context, root *os.Root, name string, info fs.FileInfo, to io.Writer) (*os.File, error) {
	file, err := openFound(root, name, info)
	if err != nil {
		return nil, err
	}
	if opened, err := file.Stat(); err != nil || !sameFile(info, opened) || !opened.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, errors.Join(ErrChanged, err)), file.Close())
	}
	if err := copyContent(ctx, to, file, info.Size(), nil); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), file.Close())
	}
	return file, nil
}
