package moves

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/realpath"

	"golang.org/x/sys/unix"
)

// Prepared moves the links of a plan. All the work that can fail is done by
// Prepare, so that between the first and the last moved link there is
// nothing but renames: that is the time in which two releases serve at once.
type Prepared struct {
	plan    Plan
	temp    []string // the new link beside the old one; "" where a link is removed
	reached func(string)
}

const temporaryMark = ".relink-"

func temporaryName(place, id string) string {
	return filepath.Join(filepath.Dir(place), "."+filepath.Base(place)+temporaryMark+id)
}

// Prepare creates the new links under temporary names, or none.
func Prepare(plan Plan, id string, reached func(string)) (*Prepared, error) {
	r := &Prepared{plan: plan, temp: make([]string, len(plan)), reached: reached}
	for i, move := range plan {
		if !move.To.Exists() {
			continue
		}
		r.temp[i] = temporaryName(move.Place, id)
		if err := prepareLink(move, r.temp[i]); err != nil {
			return nil, errors.Join(err, r.Discard())
		}
	}
	return r, nil
}

func prepareLink(move Move, temp string) error {
	err := inFolder(temp, func(folder int, name string) error {
		if err := unix.Unlinkat(folder, name, 0); err != nil && err != unix.ENOENT {
			return err
		}
		if err := unix.Symlinkat(move.To.Literal, folder, name); err != nil {
			return err
		}
		if move.UID < 0 || os.Geteuid() != 0 {
			return nil
		}
		// Apache's SymLinksIfOwnerMatch compares the link's owner with its target's.
		if err := chownLink(folder, name, move.UID, move.GID); err != nil {
			return fmt.Errorf("keep its owner: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare link %s: %w", move.Link, err)
	}
	return nil
}

// inFolder works on a name in a folder that is open: the way to it is the one that was
// looked at, and nobody can lead it elsewhere meanwhile.
func inFolder(place string, do func(folder int, name string) error) error {
	folder, err := realpath.Folder(filepath.Dir(place))
	if errors.Is(err, unix.ELOOP) {
		return hint.With(err, "somebody has put a link in the way to %s while relink worked; see who may write there, put the folder back, and run the command again", filepath.Dir(place))
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	return do(int(folder.Fd()), filepath.Base(place))
}

var errNoLink = errors.New("something else has taken its name")

// chownLink gives away a link and nothing else. Whoever may write in the folder could
// have put there, by now, what he wants to own.
func chownLink(folder int, name string, uid, gid int) error {
	fd, err := unix.Openat(folder, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var found unix.Stat_t
	if err := unix.Fstat(fd, &found); err != nil {
		return err
	}
	if found.Mode&unix.S_IFMT != unix.S_IFLNK {
		return errNoLink
	}
	return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// Move renames the prepared links over the old ones.
func (r *Prepared) Move() error {
	for i, move := range r.plan {
		if err := r.moveOne(move, r.temp[i]); err != nil {
			return fmt.Errorf("move link %s: %w", move.Link, err)
		}
		r.reached("moved " + move.Instance)
	}
	return nil
}

func (r *Prepared) moveOne(move Move, temp string) error {
	return inFolder(move.Place, func(folder int, name string) error {
		if temp != "" {
			return unix.Renameat(folder, filepath.Base(temp), folder, name)
		}
		if err := unix.Unlinkat(folder, name, 0); err != unix.ENOENT {
			return err
		}
		return nil
	})
}

// Sync makes the moves durable. It may run beside the sweep: should the power
// fail before it is done, the caches are empty too, and the journal, which was
// synced before the first move, decides what becomes of the links.
func (r *Prepared) Sync() error {
	dirs := map[string]bool{}
	for _, move := range r.plan {
		dirs[filepath.Dir(move.Place)] = true
	}
	for dir := range dirs {
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Discard removes the temporary links that were not moved.
func (r *Prepared) Discard() error {
	var failed []error
	for _, temp := range r.temp {
		if temp == "" {
			continue
		}
		if err := inFolder(temp, removeLink); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("remove temporary link %s: %w", temp, err))
		}
	}
	return errors.Join(failed...)
}

// removeLink removes a name that is a link, and nothing else.
func removeLink(folder int, name string) error {
	var found unix.Stat_t
	if err := unix.Fstatat(folder, name, &found, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if found.Mode&unix.S_IFMT != unix.S_IFLNK {
		return errNoLink
	}
	return unix.Unlinkat(folder, name, 0)
}

// RemoveTemporary removes what a crash left beside the links in places.
func RemoveTemporary(places []string) (removed []string, err error) {
	var failed []error
	for _, place := range places {
		left, err := removeTemporaries(place)
		removed, failed = append(removed, left...), append(failed, err)
	}
	return removed, errors.Join(failed...)
}

// removeTemporaries removes in the folder that it has listed, whatever its name leads to
// by then.
func removeTemporaries(place string) (removed []string, err error) {
	err = inFolder(place, func(folder int, name string) error {
		left, err := temporaries(folder, name)
		failed := []error{err}
		for _, one := range left {
			if err := removeLink(folder, one); err != nil {
				failed = append(failed, fmt.Errorf("remove %s: %w", one, err))
				continue
			}
			removed = append(removed, filepath.Join(filepath.Dir(place), one))
		}
		return errors.Join(failed...)
	})
	if _, gone := os.Lstat(filepath.Dir(place)); err != nil && !errors.Is(gone, fs.ErrNotExist) {
		return removed, fmt.Errorf("temporary links of %s: %w", place, err)
	}
	return removed, nil
}

// temporaries does not use filepath.Glob: an instance's name may hold its
// special characters.
func temporaries(folder int, name string) (found []string, err error) {
	entries, err := bounded.Folder(fmt.Sprintf("/proc/self/fd/%d", folder), bounded.MostLinks)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "."+name+temporaryMark) && entry.Type()&fs.ModeSymlink != 0 {
			found = append(found, entry.Name())
		}
	}
	return found, err
}
