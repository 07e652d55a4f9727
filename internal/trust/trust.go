// Package trust tells what only root and the caller can have put somewhere: what
// relink may run, load or hand to others. It reads no content of a file, and follows chains
// of 40 links at most.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"relink/internal/hint"
)

// ErrOthers means that somebody else than root and the caller could have put a file
// there, or could replace it.
var ErrOthers = errors.New("others could change it")

// MostLinks is the kernel's own bound on symbolic links in one path.
const MostLinks = 40

// Check refuses a file or folder that anybody but root and the caller could have
// put there or could replace. It looks at every folder that the kernel passes on
// the way, those behind symbolic links too.
func Check(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s is not an absolute path", path)
	}
	return eachOnWay(filepath.Clean(path), 0, checkOne)
}

// eachOnWay looks at all that the kernel passes on its way to path, behind symbolic
// links too.
func eachOnWay(path string, depth int, look func(path string, info os.FileInfo) error) error {
	if depth > MostLinks {
		return fmt.Errorf("%s: too many symbolic links", path)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := eachOnWay(parent, depth, look); err != nil {
			return err
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := look(path, info); err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink == 0 {
		return nil
	}
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		// Not through the literal parent: ".." of a linked folder is elsewhere.
		if parent, err = filepath.EvalSymlinks(parent); err != nil {
			return err
		}
		target = filepath.Join(parent, target)
	}
	return eachOnWay(target, depth+1, look)
}

// CheckForRoot refuses, where the caller is root, a file or folder that others could
// have made or could replace. What does not exist yet is looked at by the folder
// that it will lie in.
func CheckForRoot(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for {
		_, err := os.Lstat(path)
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return Check(path)
		}
		path = filepath.Dir(path)
	}
}

// CheckPlaceForRoot refuses, where the caller is root, a folder that others could put
// another folder of the machine in the place of. The folder itself may be theirs.
func CheckPlaceForRoot(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := CheckForRoot(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	link := info.Mode()&fs.ModeSymlink != 0
	if Owned(info) && link {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
		return CheckPlaceForRoot(path)
	}
	parent, err := os.Stat(filepath.Dir(path))
	if err == nil && !Owned(info) && (link || WritableByOthers(parent)) {
		err = hint.With(&refusal{fmt.Sprintf("%s belongs to %s, who could lead it elsewhere", path, UserName(ownerOf(info)))}, "put it into a folder that only root can write")
	}
	return err
}

// CheckWayForRoot refuses, where the caller is root, a folder that symbolic links of
// another user lead to, unless it is his own: who chooses where root makes a link may
// choose among what is his.
func CheckWayForRoot(folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	leading := map[int]string{}
	err := eachOnWay(filepath.Clean(folder), 0, func(path string, info os.FileInfo) error {
		if info.Mode()&os.ModeSymlink != 0 && !Owned(info) {
			leading[ownerOf(info)] = path
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	info, statErr := os.Stat(folder)
	if err = errors.Join(err, statErr); err != nil {
		return err
	}
	for owner, link := range leading {
		if owner != ownerOf(info) {
			return hint.With(&refusal{fmt.Sprintf("%s belongs to %s and leads to %s, which does not", link, UserName(owner), folder)},
				"let root own the link (chown -h root %s), if it is meant", link)
		}
	}
	return nil
}

// OpenForRoot opens a file for reading. Where the caller is root, the file that is open
// is the one that CheckForRoot has looked at.
func OpenForRoot(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would block
	if err != nil {
		return nil, err
	}
	if err := sameForRoot(file, path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func sameForRoot(file *os.File, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := CheckForRoot(path); err != nil {
		return err
	}
	opened, err := file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(path)
	if err == nil && !os.SameFile(opened, now) {
		err = fmt.Errorf("%s was replaced while it was opened: %w", path, ErrOthers)
	}
	return err
}

// checkOne lets a sticky folder pass: in one like /tmp nobody can replace what is
// another user's.
func checkOne(path string, info os.FileInfo) error {
	sticky := info.IsDir() && info.Mode()&os.ModeSticky != 0
	switch {
	case !Owned(info):
		return hint.With(&refusal{fmt.Sprintf("%s belongs to another user, %s", path, UserName(ownerOf(info)))}, "chown -h root %s", path)
	case info.Mode()&os.ModeSymlink != 0: // its mode says nothing
	case !info.IsDir() && !info.Mode().IsRegular():
		return &refusal{path + " is neither a file nor a folder"}
	case WritableByOthers(info) && !sticky:
		return hint.With(&refusal{fmt.Sprintf("%s can be written by others (mode %04o)", path, info.Mode().Perm())}, "chmod go-w %s", path)
	}
	return nil
}

// refusal is ErrOthers in the words that name the place.
type refusal struct{ text string }

func (r *refusal) Error() string        { return r.text }
func (r *refusal) Is(target error) bool { return target == ErrOthers }

// Owned tells whether a file is root's or the caller's.
func Owned(info os.FileInfo) bool {
	owner := ownerOf(info)
	return owner == 0 || owner == os.Geteuid()
}

func ownerOf(info os.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// UserName names a user without asking the environment: main alone reads that.
func UserName(uid int) string {
	id := strconv.Itoa(uid)
	if found, err := user.LookupId(id); err == nil {
		return found.Username
	}
	return "uid " + id
}

// WritableByOthers tells whether anybody but the owner may write a file.
func WritableByOthers(info os.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }
