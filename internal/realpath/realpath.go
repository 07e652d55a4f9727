// Package realpath resolves symbolic links as filepath.EvalSymlinks does, but in
// three system calls in place of one or two for each element of the path: a look
// at a thousand links does little else. The kernel bounds what is read: paths of 4 KiB with
// 40 links in them (255 where filepath.EvalSymlinks stands in).
package realpath

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Of is the path without a symbolic link in it. What it names has to exist.
func Of(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return filepath.EvalSymlinks(path)
	}
	fd, err := open(path)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	// Without /proc, or with a path that is too long or gone by now.
	if err != nil || !filepath.IsAbs(real) || strings.HasSuffix(real, " (deleted)") {
		return filepath.EvalSymlinks(path)
	}
	return real, nil
}

// open needs no permission for what path names, only for the folders on the way.
func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Folder opens the folder of a path that Of has given. Where a symbolic link lies on the
// way by now, it is another way, and refused (ELOOP).
func Folder(real string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, real, &how)
	for err == unix.EINTR || err == unix.EAGAIN {
		fd, err = unix.Openat2(unix.AT_FDCWD, real, &how)
	}
	if err == unix.ENOSYS || err == unix.EPERM { // Linux before 5.6, or a container that forbids it
		fd, err = stepwise(real)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: real, Err: err}
	}
	return os.NewFile(uintptr(fd), real), nil
}

func stepwise(real string) (fd int, err error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
	if fd, err = unix.Open("/", flags, 0); err != nil {
		return fd, err
	}
	for element := range strings.SplitSeq(strings.Trim(filepath.Clean(real), "/"), "/") {
		if element == "" {
			continue
		}
		next, err := unix.Openat(fd, element, flags, 0)
		unix.Close(fd)
		if fd = next; err != nil {
			return fd, err
		}
	}
	return fd, nil
}
