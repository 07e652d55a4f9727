// Package tree walks and copies folders with all that is in them, below an os.Root:
// whatever links lie there, or are put there meanwhile, nothing outside is touched.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// With opens the folder dir for as long as do works in it.
func With(dir string, do func(*os.Root) error) error {
	root, err := OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return do(root)
}

// Between is With for a folder to take from and one to write to.
func Between(from, to string, do func(from, to *os.Root) error) error {
	return With(from, func(source *os.Root) error {
		return With(to, func(target *os.Root) error { return do(source, target) })
	})
}

// Within tells whether name is the folder or lies in it; both are clean.
func Within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}

// Barrier is what lies at name, or on the way to it, and is no folder, such as a link;
// empty when there is nothing of the kind.
func Barrier(root *os.Root, name string) (string, error) {
	for ; name != "."; name = path.Dir(name) {
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || !info.IsDir() {
			return name, err
		}
	}
	return "", nil
}

// MakeFolders is MkdirAll that calls made for each folder that it makes.
func MakeFolders(root *os.Root, folder string, mode fs.FileMode, made func(string) error) error {
	if _, err := root.Lstat(folder); err == nil || folder == "." {
		return nil
	}
	if err := MakeFolders(root, path.Dir(folder), mode, made); err != nil {
		return err
	}
	err := root.Mkdir(folder, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return made(folder)
}

// Relative is the way from one folder to another. Links are resolved first: `..` behind
// one would lead elsewhere. At most 255 links are followed on the way to each.
func Relative(from, to string) (string, error) {
	realFrom, err := filepath.EvalSymlinks(from)
	if err != nil {
		return "", err
	}
	realTo, err := filepath.EvalSymlinks(to)
	if err != nil {
		return "", err
	}
	return filepath.Rel(realFrom, realTo)
}

// Finish sets mode and time of a file or folder.
func Finish(root *os.Root, name string, mode fs.FileMode, modified time.Time) error {
	if err := root.Chmod(name, mode); err != nil {
		return err
	}
	return root.Chtimes(name, modified, modified)
}

// SetTime sets the modification time of name itself, also if it is a link, which
// os.Root has no call for.
func SetTime(root *os.Root, name string, modified time.Time) error {
	parent, err := root.OpenFile(path.Dir(name), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer parent.Close()
	err = unix.UtimesNanoAt(int(parent.Fd()), path.Base(name), stamps(modified), unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &fs.PathError{Op: "set time of", Path: name, Err: err}
	}
	return nil
}

// SetTimeOf is SetTime of a file that is open: the way to it is not walked once more.
func SetTimeOf(file *os.File, modified time.Time) error {
	open := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, open, stamps(modified), 0); err != nil {
		return &fs.PathError{Op: "set time of", Path: file.Name(), Err: err}
	}
	return nil
}

func stamps(modified time.Time) []unix.Timespec {
	stamp := unix.NsecToTimespec(modified.UnixNano())
	return []unix.Timespec{stamp, stamp}
}
