package depot

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/bounded"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

const (
	// fresh is how long a list stays that nobody wants yet: the rollout is about to be written.
	fresh = 10 * time.Minute
	// kept is how many releases are kept that are not wanted any more: to go back to.
	kept = 2
	// mostFiles bounds the names that are read of the depot's folder of files.
	mostFiles = 1 << 22
)

// Prune removes what is not wanted any more, but for the last two releases. While something
// is being taken it does nothing. Of each list that stays it reads at most 256 MiB.
func (d *Depot) Prune(ctx context.Context, wanted []string) error {
	held, err := d.hold(unix.LOCK_EX | unix.LOCK_NB)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer held.Close()
	for _, id := range d.outdated(wanted) {
		if err := errors.Join(d.remove(listsDir, id+wholeSuffix), d.remove(listsDir, id)); err != nil {
			return err
		}
	}
	return errors.Join(d.pruneFiles(), d.pruneTaking(ctx))
}

// hold locks the depot: shared while something is taken into it.
func (d *Depot) hold(how int) (*os.File, error) {
	fd, err := unix.Open(d.dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.dir, Err: err}
	}
	folder := os.NewFile(uintptr(fd), d.dir)
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(folder.Fd()), how)
	}
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return folder, nil
}

// outdated are the releases that go, of which the newest come first.
func (d *Depot) outdated(wanted []string) []string {
	since := map[string]time.Time{}
	var others []string
	for _, id := range d.ids() {
		info, err := os.Lstat(d.listPath(id))
		if err == nil && !slices.Contains(wanted, id) && time.Since(info.ModTime()) > fresh {
			others, since[id] = append(others, id), info.ModTime()
		}
	}
	slices.SortFunc(others, func(a, b string) int { return since[b].Compare(since[a]) })
	return others[min(kept, len(others)):]
}

func (d *Depot) remove(dir, name string) error {
	err := os.Remove(filepath.Join(d.dir, dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// pruneFiles removes the files that are in no list.
func (d *Depot) pruneFiles() error {
	there, err := bounded.Folder(filepath.Join(d.dir, filesDir), mostFiles)
	if err != nil || len(there) == 0 {
		return err
	}
	needed := map[string]bool{}
	for _, id := range d.ids() {
		l, err := d.read(id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range l.Entries {
			needed[e.hex()] = true
		}
	}
	for _, file := range there {
		if needed[strings.TrimSuffix(file.Name(), partSuffix)] {
			continue
		}
		if err := d.remove(filesDir, file.Name()); err != nil {
			return err
		}
	}
	return nil
}

// pruneTaking removes what a crash has left.
func (d *Depot) pruneTaking(ctx context.Context) error {
	there, err := bounded.Folder(d.dir, bounded.MostLinks)
	for _, one := range there {
		if strings.HasPrefix(one.Name(), takingName) {
			err = errors.Join(err, tree.Remove(ctx, filepath.Join(d.dir, one.Name())))
		}
	}
	return err
}
