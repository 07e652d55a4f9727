package php

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"relink/internal/hint"
)

// checkDir refuses a folder in which, or on the way to which, anybody but root
// and the caller could put something else. Every folder that the kernel passes
// counts, those behind symbolic links too.
func checkDir(dir string) error {
	err := checkWay(dir, 0)
	if err == nil {
		err = checkLast(dir)
	}
	if err != nil {
		return hint.With(fmt.Errorf("%w %s: %w", ErrUnsafeDir, dir, err),
			"set agent_dir to a folder below ones that only root or you can write, such as %s", DefaultAgentDir)
	}
	return nil
}

// checkLast refuses what is fine on the way: in a folder like /tmp nobody can
// replace the folder of another user, but anybody can create one.
func checkLast(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && writableByOthers(info) {
		err = fmt.Errorf("others can create files in it (mode %04o)", info.Mode().Perm())
	}
	return err
}

func checkWay(path string, depth int) error {
	if depth > 40 { // the kernel's own bound on symbolic links
		return fmt.Errorf("%s: too many symbolic links", path)
	}
	if parent := filepath.Dir(path); parent != path {
		if err := checkWay(parent, depth); err != nil {
			return err
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return checkLink(path, info, depth)
	}
	return checkFolder(path, info)
}

func checkLink(path string, info os.FileInfo, depth int) error {
	if !ownedByUs(info) {
		return fmt.Errorf("the link %s belongs to another user", path)
	}
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		// Not through the literal parent: ".." of a linked folder is elsewhere.
		parent, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return err
		}
		target = filepath.Join(parent, target)
	}
	return checkWay(target, depth+1)
}

func checkFolder(path string, info os.FileInfo) error {
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	case !ownedByUs(info):
		return fmt.Errorf("%s belongs to another user", path)
	case writableByOthers(info) && info.Mode()&os.ModeSticky == 0:
		return fmt.Errorf("%s can be written by others (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}

func ownedByUs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

func writableByOthers(info os.FileInfo) bool { return info.Mode().Perm()&0o022 != 0 }
