// Package filecache removes what OPcache's second level, the files of opcache.file_cache,
// keeps of releases that are gone.
package filecache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Cleaned is what was removed.
type Cleaned struct {
	Files int      `json:"files"`          // that were removed
	Bytes int64    `json:"bytes"`          // of these files
	Left  []string `json:"left,omitempty"` // caches of which the caller may not see or remove all, as he is not root
}

// Add is what was removed elsewhere, too.
func (done *Cleaned) Add(more Cleaned) {
	done.Files, done.Bytes, done.Left = done.Files+more.Files, done.Bytes+more.Bytes, append(done.Left, more.Left...)
}

// Files of a PHP lie below a folder of its own, named after its version and build, by the
// real path of their script (zend_file_cache.c, zend_file_cache_get_bin_file_path).
var (
	systemID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	suffix   = ".bin"
)

const (
	// mostBuilds bounds the names that are read of the cache's own folder.
	mostBuilds = 1000
	// longestName bounds how deep it is gone, in bytes of the whole name: PHP opens no
	// longer ones (MAXPATHLEN).
	longestName = 4096
)

// Clean removes, in the cache at folder, the files of scripts below releases, a folder as PHP
// sees it, whose release is gone. The cache is a user's who may put there what he likes, and
// who has perhaps said where it is: it goes by descriptor, through no link, and takes
// nothing but files with the names of such a cache, and the folders that are empty then, if
// they belong to whom the folder of their build belongs: what others have made, and he has
// moved there, stays. Of the cache's own folder it reads 1,000 names, and leaves what has
// names of more than 4,096 bytes. What is left when ctx ends goes with the next call.
func Clean(ctx context.Context, folder, releases string, gone func(release string) bool) (done Cleaned, err error) {
	var failed []error
	failed = append(failed, tree.With(folder, func(root *os.Root) error {
		builds, err := buildsIn(root)
		for _, build := range builds {
			failed = append(failed, done.below(ctx, root, build, path.Join(build, releases), gone))
		}
		return err
	}))
	for _, one := range failed {
		switch {
		case unlessGone(one) == nil:
		case ctx.Err() != nil:
			return done, fmt.Errorf("file cache %s: %w: the rest goes with the next prune", folder, context.Cause(ctx))
		case errors.Is(one, fs.ErrPermission) && os.Geteuid() != 0:
			done.Left = []string{folder}
		default:
			err = errors.Join(err, hint.Write(fmt.Errorf("file cache %s: %w", folder, one), folder))
		}
	}
	return done, err
}

func buildsIn(root *os.Root) (builds []string, err error) {
	there, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer there.Close()
	names, err := there.Readdirnames(mostBuilds)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	for _, name := range names {
		if systemID.MatchString(name) {
			builds = append(builds, name)
		}
	}
	return builds, err
}

// below removes what is of a build. Other processes may remove it meanwhile.
func (done *Cleaned) below(ctx context.Context, root *os.Root, build, releases string, gone func(string) bool) error {
	made, err := root.Lstat(build)
	if err != nil {
		return err
	}
	visit := func(name string, info *tree.Info) error {
		release, _, _ := strings.Cut(strings.TrimPrefix(name, releases+"/"), "/")
		switch {
		case len(name) > longestName || ownerOf(info) != ownerOf(made):
			return skip(info)
		case name == releases:
		case info.IsDir() && path.Dir(name) == releases && !gone(release):
			return fs.SkipDir
		case info.Mode().IsRegular() && path.Dir(name) != releases && strings.HasSuffix(name, suffix):
			err := info.Remove()
			if err == nil {
				done.Files, done.Bytes = done.Files+1, done.Bytes+info.Size()
			}
			return unlessGone(err)
		}
		return nil
	}
	leave := func(_ string, info *tree.Info) error {
		err := info.Remove()
		if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
			return nil
		}
		return unlessGone(err)
	}
	return unlessGone(tree.Walk(ctx, root, releases, visit, leave))
}

func skip(info fs.FileInfo) error {
	if info.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
