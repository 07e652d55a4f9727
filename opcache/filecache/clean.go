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

	"relink/internal/hint"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Cleaned is what was removed.
type Cleaned struct {
	Files int   `json:"files"` // that were removed
	Bytes int64 `json:"bytes"` // of these files
}

// Files of a PHP lie below a folder of its own, named after its version and build, by the
// real path of their script (zend_file_cache.c, zend_file_cache_get_bin_file_path).
var (
	systemID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	suffix   = ".bin"
)

// mostBuilds bounds the names that are read of the cache's own folder.
const mostBuilds = 1000

// Clean removes, in the cache at folder, the files of scripts below releases, a folder as PHP
// sees it, whose release is gone. The cache is a user's who may put there what he likes, and
// who has perhaps said where it is: it goes by descriptor, through no link, and takes
// nothing but files with the names of such a cache, and the folders that are empty then. Of
// the cache's own folder it reads 1,000 names.
func Clean(ctx context.Context, folder, releases string, gone func(release string) bool) (done Cleaned, err error) {
	err = tree.With(folder, func(root *os.Root) error {
		builds, err := buildsIn(root)
		for _, build := range builds {
			err = errors.Join(err, done.below(ctx, root, path.Join(build, releases), gone))
		}
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case errors.Is(err, fs.ErrPermission):
		err = hint.With(fmt.Errorf("file cache %s: %w", folder, err), "prune as root, or as the user of the pool: the files are his")
	case err != nil:
		err = fmt.Errorf("file cache %s: %w", folder, err)
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

func (done *Cleaned) below(ctx context.Context, root *os.Root, releases string, gone func(string) bool) error {
	visit := func(name string, info *tree.Info) error {
		release, _, _ := strings.Cut(strings.TrimPrefix(name, releases+"/"), "/")
		switch {
		case name == releases:
		case info.IsDir() && path.Dir(name) == releases && !gone(release):
			return fs.SkipDir
		case info.Mode().IsRegular() && path.Dir(name) != releases && strings.HasSuffix(name, suffix):
			if err := info.Remove(); err != nil {
				return err
			}
			done.Files, done.Bytes = done.Files+1, done.Bytes+info.Size()
		}
		return nil
	}
	leave := func(_ string, info *tree.Info) error {
		if err := info.Remove(); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return err
		}
		return nil
	}
	err := tree.Walk(ctx, root, releases, visit, leave)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
