package git

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"relink/internal/tree"
)

// finishCheckout gives everything the time of the commit, as git archive does. It also
// makes the modes those of the repository under the permissions of the staging folder,
// whatever the umask was.
func finishCheckout(ctx context.Context, into string, commit time.Time) error {
	err := tree.With(into, func(root *os.Root) error {
		top, err := root.Stat(".")
		if err != nil {
			return err
		}
		allowed := top.Mode().Perm()
		return tree.Walk(ctx, root, ".", func(name string, info fs.FileInfo) error {
			switch {
			case info.IsDir():
				return nil
			case !info.Mode().IsRegular():
				return tree.SetTime(root, name, commit)
			case info.Mode()&0o100 != 0:
				return tree.Finish(root, name, allowed, commit)
			}
			return tree.Finish(root, name, allowed&0o666, commit)
		}, func(name string, info fs.FileInfo) error {
			return tree.Finish(root, name, allowed|info.Mode()&fs.ModeSetgid, commit)
		})
	})
	if err != nil {
		return fmt.Errorf("set modes and times: %w", err)
	}
	return nil
}
