package release

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"relink/internal/hint"
	"relink/internal/ui"

	"golang.org/x/sys/unix"
)

// Kept free beyond what a release needs: the site that runs on the same file
// system must be able to write its sessions and logs.
const (
	ReserveBytes  = 64 << 20
	ReserveInodes = 1000
)

// ErrDiskFull means that a release would not fit.
var ErrDiskFull = errors.New("not enough disk space")

// Space is what an unprivileged writer may still use.
type Space struct {
	Bytes  int64
	Inodes int64 // -1 where the file system has no fixed number of them
	block  int64
}

// FreeSpace measures the file system that dir is on, or will be on.
func FreeSpace(dir string) (Space, error) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		return FreeSpace(filepath.Dir(dir))
	}
	if err != nil {
		return Space{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	space := Space{Bytes: int64(st.Bavail) * st.Bsize, Inodes: int64(st.Ffree), block: st.Bsize}
	if st.Files == 0 { // Btrfs and others make inodes as they need them
		space.Inodes = -1
	}
	return space, nil
}

// SpaceFor fails with ErrDiskFull and the figures unless a release of that many
// bytes and inodes fits below dir and leaves the reserve. Zeros are figures that
// the source does not know: then only the reserve is asked for.
func SpaceFor(dir string, bytes, inodes int64) error {
	free, err := FreeSpace(dir)
	if err != nil {
		return err
	}
	// A file occupies whole blocks, so that each wastes half of one.
	need := saturate(float64(bytes) + float64(inodes)*float64(free.block)/2)
	if free.Bytes-ReserveBytes < need {
		return hint.With(fmt.Errorf("%s: %w: the release and what must stay free beside it (min_free) need %s, and %s are free",
			dir, ErrDiskFull, ui.Bytes(saturate(float64(need)+ReserveBytes)), ui.Bytes(free.Bytes)),
			`run "relink prune", lower keep or min_free, or enlarge the file system`)
	}
	if free.Inodes >= 0 && free.Inodes-ReserveInodes < inodes {
		return hint.With(fmt.Errorf("%s: %w: the release needs %d inodes and %d must stay free, but only %d are free",
			dir, ErrDiskFull, inodes, ReserveInodes, free.Inodes),
			`run "relink prune", lower keep, or remove small files: the file system has bytes left but no inodes`)
	}
	return nil
}

// saturate keeps figures that no disk has from wrapping around to small ones.
func saturate(n float64) int64 {
	if n >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(n)
}
