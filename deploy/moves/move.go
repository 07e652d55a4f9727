package moves

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/bounded"
	"relink/internal/durable"

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
	var at folders
	defer at.close()
	for i, move := range plan {
		if !move.To.Exists() {
			continue
		}
		r.temp[i] = temporaryName(move.Place, id)
		if err := at.prepareLink(move, r.temp[i]); err != nil {
			return nil, errors.Join(err, r.Discard())
		}
	}
	return r, nil
}

func (f *folders) prepareLink(move Move, temp string) error {
	err := f.in(temp, func(folder int, name string) error {
		err := unix.Symlinkat(move.To.Literal, folder, name)
		if err == unix.EEXIST {
			_ = unix.Unlinkat(folder, name, 0) // it is in the way still, or it is not
			err = unix.Symlinkat(move.To.Literal, folder, name)
		}
		if err != nil {
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

var errNoLink = errors.New("something else has taken its name")

// chownLink gives away a link and nothing else. Whoever may write in the folder could
// have put there, by now, what he wants to own.
func chownLink(folder int, name string, uid, gid int) error {
	var made unix.Stat_t
	if err := unix.Fstatat(folder, name, &made, unix.AT_SYMLINK_NOFOLLOW); err == nil && made.Mode&unix.S_IFMT == unix.S_IFLNK && int(made.Uid) == uid && int(made.Gid) == gid {
		return nil
	}
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
	var at folders
	defer at.close()
	for i, move := range r.plan {
		if err := at.move(move, r.temp[i]); err != nil {
			return fmt.Errorf("move link %s: %w", move.Link, err)
		}
		r.reached("moved " + move.Instance)
	}
	return nil
}

func (f *folders) move(move Move, temp string) error {
	return f.in(move.Place, func(folder int, name string) error {
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
	var at folders
	defer at.close()
	for _, temp := range r.temp {
		if temp == "" {
			continue
		}
		if err := at.in(temp, removeLink); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	in := map[string][]string{} // the names of the links, by their folders
	for _, place := range places {
		in[filepath.Dir(place)] = append(in[filepath.Dir(place)], filepath.Base(place))
	}
	var failed []error
	for _, folder := range slices.Sorted(maps.Keys(in)) {
		left, err := removeTemporaries(folder, in[folder])
		removed, failed = append(removed, left...), append(failed, err)
	}
	return removed, errors.Join(failed...)
}

// removeTemporaries removes in the folder that it has listed, whatever its name leads to
// by then.
func removeTemporaries(path string, names []string) (removed []string, err error) {
	var at folders
	defer at.close()
	folder, err := at.open(path)
	if err == nil {
		removed, err = removeThose(folder, path, names)
	}
	if _, gone := os.Lstat(path); err != nil && !errors.Is(gone, fs.ErrNotExist) {
		return removed, fmt.Errorf("temporary links in %s: %w", path, err)
	}
	return removed, nil
}

func removeThose(folder int, path string, names []string) (removed []string, err error) {
	left, err := temporaries(folder, names)
	failed := []error{err}
	for _, one := range left {
		if err := removeLink(folder, one); err != nil {
			failed = append(failed, fmt.Errorf("remove %s: %w", one, err))
			continue
		}
		removed = append(removed, filepath.Join(path, one))
	}
	return removed, errors.Join(failed...)
}

func temporaries(folder int, names []string) (found []string, err error) {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	entries, err := bounded.Folder(fmt.Sprintf("/proc/self/fd/%d", folder), bounded.MostLinks)
	for _, entry := range entries {
		if entry.Type()&fs.ModeSymlink != 0 && isTemporary(entry.Name(), wanted) {
			found = append(found, entry.Name())
		}
	}
	return found, err
}

// isTemporary tells whether it is the name of a temporary link of one of these. An
// instance's name may hold the mark itself.
func isTemporary(name string, of map[string]bool) bool {
	rest, hidden := strings.CutPrefix(name, ".")
	for at := len(rest); hidden && at > 0; {
		if at = strings.LastIndex(rest[:at], temporaryMark); at >= 0 && of[rest[:at]] {
			return true
		}
	}
	return false
}
