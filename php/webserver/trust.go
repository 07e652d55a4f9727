package webserver

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkProgram refuses a program, or a module or configuration of one, that
// anybody but root and the caller could have put there or could replace.
func checkProgram(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s is not an absolute path", path)
	}
	return checkWay(filepath.Clean(path), 0)
}

const mostLinks = 40 // the kernel's own bound on symbolic links

// checkWay looks at path and at every folder that the kernel passes on the way.
func checkWay(path string, depth int) error {
	if depth > mostLinks {
		return fmt.Errorf("%s: too many symbolic links", path)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := checkWay(parent, depth); err != nil {
			return err
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := checkOwner(path, info); err != nil {
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
	return checkWay(target, depth+1)
}

func checkOwner(path string, info os.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	link := info.Mode()&os.ModeSymlink != 0
	switch others := info.Mode().Perm()&0o022 != 0; {
	case !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user", path)
	case link: // its mode says nothing
	case !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder", path)
	case others && !(info.IsDir() && info.Mode()&os.ModeSticky != 0):
		return fmt.Errorf("%s can be written by others (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}
