package tree

import (
	"errors"
	"io/fs"
	"os"
)

// OpenRoot is os.OpenRoot that gives unix.ENOTDIR where a FIFO lies in the folder's place;
// that one would wait for somebody who writes into it. With "/." behind it the kernel opens
// nothing but a folder.
func OpenRoot(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	root, err := os.OpenRoot(dir + "/.")
	var failed *fs.PathError
	if errors.As(err, &failed) {
		failed.Path = dir
	}
	return root, err
}

// OpenRootIn is OpenRoot for a folder within another; links may lead to it, as long as they
// do not leave the other one.
func OpenRootIn(root *os.Root, folder string) (*os.Root, error) { return root.OpenRoot(folder + "/.") }
