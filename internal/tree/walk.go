package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"

	"relink/internal/pace"

	"golang.org/x/sys/unix"
)

// Visit is told of what lies at name, relative to the root; links are not followed.
type Visit func(name string, info *Info) error

// Walk calls visit for top and all below it, by their names, a folder before what is in
// it; fs.SkipDir leaves a folder out. When all that is in a folder below top has been
// visited it calls leave, which may be nil, for the folder: a mode may forbid to write, and
// what is made inside changes the time.
//
// It costs one open a folder and one stat a file. A folder is opened in the one that it
// was found in, and never through a link: whoever swaps it for one makes the walk fail.
// Each name is looked at when its turn comes; what has gone by then is left out.
func Walk(ctx context.Context, root *os.Root, top string, visit, leave Visit) error {
	w := &walker{ctx: ctx, root: root, visit: visit, leave: leave, buffer: make([]byte, 64<<10)}
	if err := pace.Rest(ctx); err != nil {
		return err
	}
	there, err := root.Lstat(top)
	if err != nil {
		return err
	}
	info := &Info{FileInfo: there, root: root, path: top, folder: &level{fd: -1}}
	if err := visit(top, info); err != nil || !there.IsDir() {
		return unlessSkipped(err, info)
	}
	return w.below(info, 0)
}

type walker struct {
	ctx          context.Context
	root         *os.Root
	visit, leave Visit
	buffer       []byte
	visited      int
}

// level is a folder that the walk is in; -1 while it is not open.
type level struct {
	fd int
}

// mostOpen bounds the folders that are open at a time, one in the other. In deeper ones
// each is opened anew from the root.
const mostOpen = 200

// below visits what is in a folder.
func (w *walker) below(folder *Info, depth int) error {
	here := &level{fd: -1}
	defer func() { here.close() }()
	names, err := w.list(here, folder)
	if depth > 0 && errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := w.rest(); err != nil {
			return err
		}
		if here.fd < 0 {
			if err := w.open(here, folder); err != nil {
				return err
			}
		}
		if err := w.one(here, path.Join(folder.path, name), name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// lookEvery is how many names are visited between two looks at whether others wait for a
// CPU, which cost as much as one of them.
const lookEvery = 32

func (w *walker) rest() error {
	if w.visited++; w.visited%lookEvery != 0 {
		return w.ctx.Err()
	}
	return pace.Rest(w.ctx)
}

// one visits what has a name in the folder here.
func (w *walker) one(here *level, at, name string, depth int) error {
	info, err := statAt(here.fd, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "lstat", Path: at, Err: err}
	}
	info.root, info.path, info.folder = w.root, at, here
	if err := w.visit(at, info); err != nil || !info.IsDir() {
		return unlessSkipped(err, info)
	}
	if depth > mostOpen {
		here.close()
	}
	switch err := w.below(info, depth); {
	case errors.Is(err, errGone):
		return nil
	case err != nil || w.leave == nil:
		return err
	}
	return w.leave(at, info)
}

// errGone is a folder that has gone since it was looked at.
var errGone = errors.New("the folder has gone")

func unlessSkipped(err error, info *Info) error {
	if info.IsDir() && errors.Is(err, fs.SkipDir) {
		return nil
	}
	return err
}

// open opens a folder in the one that it was found in, or from the root on.
func (w *walker) open(here *level, folder *Info) error {
	if folder.folder.fd < 0 {
		opened, err := OpenFolder(w.root, folder.path)
		if err != nil {
			return err
		}
		defer opened.Close()
		here.fd, err = unix.FcntlInt(opened.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		return err
	}
	for {
		fd, err := unix.Openat(folder.folder.fd, folder.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "open", Path: folder.path, Err: err}
		}
		here.fd = fd
		return nil
	}
}

func (w *walker) list(here *level, folder *Info) ([]string, error) {
	if err := w.open(here, folder); err != nil {
		return nil, err
	}
	names, err := w.names(here.fd)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: folder.path, Err: err}
	}
	return names, nil
}

func (l *level) close() {
	if l.fd >= 0 {
		unix.Close(l.fd)
		l.fd = -1
	}
}

// names lists a folder, sorted.
func (w *walker) names(fd int) (names []string, err error) {
	for {
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
		n, err := unix.ReadDirent(fd, w.buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			slices.Sort(names)
			return names, err
		}
		_, _, names = unix.ParseDirent(w.buffer[:n], -1, names)
	}
}
