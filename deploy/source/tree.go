package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// CheckLinks refuses links of the tree in dir that lead out of it, whatever source has
// brought them: where the release lies they lead elsewhere, or to what is not its own.
// What is at the paths in replaced may be anything: it does not stay.
func CheckLinks(ctx context.Context, dir string, replaced []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || entry.Type() != fs.ModeSymlink {
			return err
		}
		return checkLink(root, name, replaced)
	})
}

// checkLink looks at the link's text, and then has os.Root follow it, which refuses to
// leave the tree however many links lie on the way. A link to nothing is harmless.
func checkLink(root *os.Root, name string, replaced []string) error {
	target, err := root.Readlink(name)
	if err != nil {
		return err
	}
	to := path.Join(path.Dir(name), target)
	inside := !path.IsAbs(target) && filepath.IsLocal(to)
	if within(name, replaced) || inside && within(to, replaced) {
		return nil
	}
	if inside {
		_, err = root.Stat(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return hint.With(errors.Join(fmt.Errorf("%s: %w: the link points out of the release, at %q", name, ErrUnsafe, target), err),
		"make it a relative link inside, or list the path under shared")
}

func within(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		folder = path.Clean(folder)
		return name == folder || strings.HasPrefix(name, folder+"/")
	})
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
