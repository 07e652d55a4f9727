package moves

import (
	"errors"
	"os"
	"path/filepath"

	"relink/internal/hint"
	"relink/internal/realpath"

	"golang.org/x/sys/unix"
)

// folders works on names in folders that are open: the way to a folder is the one that was
// looked at, and nobody can lead it elsewhere meanwhile. The last one stays open until it is
// closed: as a rule all links of an application lie in the same.
type folders struct{ last *os.File }

// in has something done with the name of a place, in its folder.
func (f *folders) in(place string, do func(folder int, name string) error) error {
	folder, err := f.open(filepath.Dir(place))
	if err != nil {
		return err
	}
	return do(folder, filepath.Base(place))
}

func (f *folders) open(path string) (folder int, err error) {
	if f.last != nil && f.last.Name() == path {
		return int(f.last.Fd()), nil
	}
	f.close()
	f.last, err = realpath.Folder(path)
	if errors.Is(err, unix.ELOOP) {
		return -1, hint.With(err, "somebody has put a link in the way to %s while relink worked; see who may write there, put the folder back, and run the command again", path)
	}
	if err != nil {
		return -1, err
	}
	return int(f.last.Fd()), nil
}

func (f *folders) close() {
	if f.last != nil {
		f.last.Close()
	}
	f.last = nil
}
