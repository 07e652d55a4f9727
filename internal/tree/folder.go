package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenFolder opens a folder element by element and never through a link.
func OpenFolder(root *os.Root, folder string) (*os.File, error) {
	at, err := root.Open(".")
	for element := range strings.SplitSeq(path.Clean(folder), "/") {
		if err != nil {
			break
		}
		var fd int
		fd, err = unix.Openat(int(at.Fd()), element, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		at.Close()
		at = os.NewFile(uintptr(fd), element)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: folder, Err: err}
	}
	return at, nil
}

// TemporaryBeside is a hidden name in the same folder that nothing has.
func TemporaryBeside(name string) string {
	return path.Join(path.Dir(name), fmt.Sprintf(".relink-%016x", rand.Uint64()))
}

// Sync has a file, or the names in a folder, on disk.
func Sync(root *os.Root, name string) error {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
