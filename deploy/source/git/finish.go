package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"relink/deploy/source"
)

// finishCheckout gives everything the time of the commit, as git archive does. It also
// makes the modes those of the repository under the permissions of the staging folder,
// whatever the umask was.
func finishCheckout(ctx context.Context, into string, commit time.Time) error {
	root, err := os.OpenRoot(into)
	if err != nil {
		return err
	}
	defer root.Close()
	top, err := root.Stat(".")
	if err != nil {
		return err
	}
	var folders []source.Folder
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.IsDir() {
			folders = append(folders, source.Folder{Name: name, Mode: top.Mode().Perm() | info.Mode()&fs.ModeSetgid, Time: commit})
			return nil
		}
		return finishFile(root, name, info, top.Mode().Perm(), commit)
	})
	if err != nil {
		return fmt.Errorf("set modes and times: %w", err)
	}
	return source.FinishFolders(root, folders)
}

func finishFile(root *os.Root, name string, info fs.FileInfo, allowed fs.FileMode, commit time.Time) error {
	if info.Mode().IsRegular() {
		mode := allowed & 0o666
		if info.Mode()&0o100 != 0 {
			mode = allowed
		}
		if err := root.Chmod(name, mode); err != nil {
			return err
		}
	}
	return source.SetTime(root, name, commit)
}
