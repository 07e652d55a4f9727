package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// swaps bounds how often entries may turn from a folder into something else, and
// back, while they are removed.
const swaps = 10

// Remove is os.RemoveAll that a context can stop and that gets into folders
// without permission for their owner, which sources bring along. It goes by
// descriptor and follows no link out of what is removed: whoever may write somewhere
// in a release could otherwise have root remove, or open to everybody, what is not his.
func Remove(ctx context.Context, dir string) (err error) {
	for range swaps {
		if err = removeOnce(ctx, dir); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("remove %s: %w", dir, err)
}

func removeOnce(ctx context.Context, dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() {
		err = empty(ctx, dir, info)
	}
	if err != nil {
		return err
	}
	return os.Remove(dir)
}

func empty(ctx context.Context, dir string, info fs.FileInfo) error {
	if closed(info) {
		if err := os.Chmod(dir, info.Mode().Perm()|0o700); err != nil {
			return err
		}
	}
	return With(dir, func(root *os.Root) error {
		return Walk(ctx, root, ".", func(name string, info *Info) error {
			switch {
			case !info.IsDir():
				return info.Remove()
			case closed(info):
				return root.Chmod(name, info.Mode().Perm()|0o700)
			}
			return nil
		}, func(_ string, info *Info) error { return info.Remove() })
	})
}

// closed is a folder that its owner, who the caller is unless he is root, may not empty.
func closed(info fs.FileInfo) bool { return os.Geteuid() != 0 && info.Mode().Perm()&0o700 != 0o700 }
