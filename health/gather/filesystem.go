package gather

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"relink/health"

	"golang.org/x/sys/unix"
)

// fileSystems measures those of the releases and of the state, each once.
func (g *gatherer) fileSystems() []health.FileSystem {
	var all []health.FileSystem
	seen := map[uint64]int{}
	add := func(folder string, minFree int64) {
		device, one := measure(folder)
		at, known := seen[device]
		if one.Err != nil || !known {
			at = len(all)
			all = append(all, one)
		}
		if one.Err == nil {
			seen[device] = at
		}
		all[at].MinFree = max(all[at].MinFree, minFree)
	}
	for _, a := range g.Apps {
		add(a.Releases, a.MinFree)
	}
	if g.State != "" {
		add(g.State, 0)
	}
	return all
}

// measure looks at the file system that folder is on, or will be on.
func measure(folder string) (device uint64, one health.FileSystem) {
	one.Path = folder
	existing := folder
	info, err := os.Stat(existing)
	for errors.Is(err, fs.ErrNotExist) && existing != "/" {
		existing = filepath.Dir(existing)
		info, err = os.Stat(existing)
	}
	var st unix.Statfs_t
	if err == nil {
		err = unix.Statfs(existing, &st)
	}
	if err != nil {
		one.Err = fmt.Errorf("free space of %s: %w", folder, err)
		return 0, one
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		device = owner.Dev
	}
	// As df counts: what is reserved for root is no space.
	one.FreeBytes = int64(st.Bavail) * st.Bsize
	one.Bytes = one.FreeBytes + int64(st.Blocks-st.Bfree)*st.Bsize
	one.Inodes, one.Free = int64(st.Files), int64(st.Ffree)
	return device, one
}
