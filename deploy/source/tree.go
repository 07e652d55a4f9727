package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"relink/internal/hint"

	"golang.org/x/sys/unix"
)

// checkLink refuses a link whose text alone already leads out of the tree.
// Through other links it still may; checkLinks sees to that.
func checkLink(name, target string) error {
	if target == "" || path.IsAbs(target) || !staysInside(path.Join(path.Dir(name), target)) {
		return hint.With(fmt.Errorf("%s: %w: the link points out of the release, at %q", name, ErrUnsafe, target),
			"make it a relative link inside, or list the path under shared")
	}
	return nil
}

func staysInside(clean string) bool { return clean != ".." && !strings.HasPrefix(clean, "../") }

// checkLinks follows each link in the finished tree. os.Root refuses to leave
// the tree, however many links lie on the way; a link to nothing is harmless.
func checkLinks(root *os.Root, links []string) error {
	for _, name := range links {
		if _, err := root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			target, _ := root.Readlink(name)
			return fmt.Errorf("%s: %w: the link points out of the release, at %q: %w", name, ErrUnsafe, target, err)
		}
	}
	return nil
}

// setTime sets the modification time of name itself, also if it is a link, which
// os.Root has no call for.
func setTime(root *os.Root, name string, t time.Time) error {
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

// folder is one whose mode and time are set when everything is inside.
type folder struct {
	name string
	mode fs.FileMode
	time time.Time
}

// finishFolders goes from the last to the first: a folder comes before what is in it.
func finishFolders(root *os.Root, folders []folder) error {
	for i := len(folders) - 1; i >= 0; i-- {
		f := folders[i]
		if f.name == "." {
			continue // the staging folder's own mode is the caller's
		}
		if err := root.Chmod(f.name, f.mode); err != nil {
			return err
		}
		if err := setTime(root, f.name, f.time); err != nil {
			return err
		}
	}
	return nil
}

// copyChunk bounds what is copied before the context is looked at again.
const copyChunk = 8 << 20

// copyContext is io.Copy that a context can stop. Between two files the kernel
// copies (copy_file_range), sharing blocks where the file system can.
func copyContext(ctx context.Context, to *os.File, from io.Reader, wrote func(int64)) (int64, error) {
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := io.CopyN(to, from, copyChunk)
		total += n
		wrote(n)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
