// Package bounded reads what others may have written: never more than a bound, and
// never what an open or a read would wait for.
package bounded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

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
func Open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
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

// begin gives no nil for an empty file.
func begin(path string, most int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}
