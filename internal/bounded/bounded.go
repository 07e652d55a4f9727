// Package bounded reads what others may have written: never more than a bound, and
// never what an open or a read would wait for.
package bounded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrTooLarge means that there is more to read than the bound.
	ErrTooLarge = errors.New("too large")
	// ErrNoFile means a folder, a FIFO or a device under the name of a file.
	ErrNoFile = errors.New("is no regular file")
)

// Open opens a regular file, or one below /proc, for reading. Nothing else is opened,
// as a FIFO that nobody writes to would be for ever.
func Open(path string) (*os.File, error) { return open(path, 0) }

// OpenNoLink is Open for what is shown to others: whoever may write in the file's folder
// could lead its name to what only root may read.
func OpenNoLink(path string) (*os.File, error) { return open(path, unix.O_NOFOLLOW) }

func open(path string, flags int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|flags, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: ErrNoFile}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// File is the content of a file of at most that many bytes; a larger one is ErrTooLarge.
func File(path string, most int64) ([]byte, error) {
	content, err := begin(path, most+1)
	if err == nil && int64(len(content)) > most {
		return nil, fmt.Errorf("read %s: %w: more than %d bytes", path, ErrTooLarge, most)
	}
	return content, err
}

// Process is the first bytes, at most that many, of a file below /proc. The kernel sets
// no bound to some of them: what a process calls its command line or its environment
// may be any part of its memory (PR_SET_MM_MAP, which takes no rights).
func Process(pid int, name string, most int64) ([]byte, error) {
	return begin(fmt.Sprintf("/proc/%d/%s", pid, name), most)
}

// Folder lists a folder of at most that many names, sorted; a larger one is ErrTooLarge.
func Folder(path string, most int) ([]fs.DirEntry, error) {
	folder, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	entries, err := folder.ReadDir(most + 1)
	switch {
	case err == io.EOF: // it is empty
		return nil, nil
	case err != nil:
		return nil, err
	case len(entries) > most:
		return nil, fmt.Errorf("list %s: %w: more than %d names", path, ErrTooLarge, most)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// MostLinks is how many names a folder of links or of releases may have: some more than
// there are sites on any server.
const MostLinks = 1 << 17

// begin gives no nil for an empty file.
func begin(path string, most int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}
