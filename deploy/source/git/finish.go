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
		return tree.Walk(ctx, root, ".", func(_ string, info *tree.Info) error {
			switch {
			case info.IsDir():
				return nil
			case !info.Mode().IsRegular():
				return info.SetTime(commit)
			case info.Mode()&0o100 != 0:
				return info.Finish(allowed, commit)
			}
			return info.Finish(allowed&0o666, commit)
		}, func(_ string, info *tree.Info) error {
			return info.Finish(allowed|info.Mode()&fs.ModeSetgid, commit)
		})
	})
	if err != nil {
		return fmt.Errorf("set modes and times: %w", err)
	}
	return nil
}
