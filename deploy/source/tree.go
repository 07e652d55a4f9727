package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// CheckLink refuses a link whose text alone already leads out of the tree.
// Through other links it still may; CheckLinks sees to that.
func CheckLink(name, target string) error {
	if target == "" || path.IsAbs(target) || !staysInside(path.Join(path.Dir(name), target)) {
		return hint.With(fmt.Errorf("%s: %w: the link points out of the release, at %q", name, ErrUnsafe, target),
			"make it a relative link inside, or list the path under shared")
	}
	return nil
}

func staysInside(clean string) bool { return clean != ".." && !strings.HasPrefix(clean, "../") }

// CheckLinks follows each link in the finished tree. os.Root refuses to leave
// the tree, however many links lie on the way; a link to nothing is harmless.
func CheckLinks(root *os.Root, links []string) error {
	for _, name := range links {
		if _, err := root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			target, _ := root.Readlink(name)
			return fmt.Errorf("%s: %w: the link points out of the release, at %q: %w", name, ErrUnsafe, target, err)
		}
	}
	return nil
}

// SetTime sets the modification time of name itself, also if it is a link, which
// os.Root has no call for.
func SetTime(root *os.Root, name string, t time.Time) error {
	parent, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	stamp := unix.NsecToTimespec(t.UnixNano())
	err = unix.UtimesNanoAt(int(parent.Fd()), path.Base(name), []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &fs.PathError{Op: "set time of", Path: name, Err: err}
	}
	return nil
}

// Folder is one whose mode and time are set when everything is inside.
type Folder struct {
	Name string
	Mode fs.FileMode
	Time time.Time
}

// FinishFolders goes from the last to the first: a folder comes before what is in it.
func FinishFolders(root *os.Root, folders []Folder) error {
	for i := len(folders) - 1; i >= 0; i-- {
		f := folders[i]
		if f.Name == "." {
			continue // the staging folder's own mode is the caller's
		}
		if err := root.Chmod(f.Name, f.Mode); err != nil {
			return err
		}
		if err := SetTime(root, f.Name, f.Time); err != nil {
			return err
		}
	}
	return nil
}
