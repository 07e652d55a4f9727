package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"relink/internal/tree"
)

// Digest is the same for the same content, wherever and whenever it was made: of each file,
// link and folder its path, its kind, whether it can be run, and what it holds. It leaves
// out what is the host's own: the entries without, by their paths, and all below them.
func Digest(ctx context.Context, r Release, without []string) (string, error) {
	sum := sha256.New()
	err := Contents(ctx, r, without, func(name, is string) { fmt.Fprintf(sum, "%s %q\n", is, name) })
	return hex.EncodeToString(sum.Sum(nil)), err
}

// Contents tells what Digest is made of, in the order of the walk: of each entry its path,
// and all else in a few words.
func Contents(ctx context.Context, r Release, without []string, tell func(name, is string)) error {
	err := tree.With(r.Path, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
			if slices.Contains(without, name) && info.IsDir() {
				return fs.SkipDir
			} else if slices.Contains(without, name) {
				return nil
			}
			content := ""
			if !info.IsDir() {
				sum, err := tree.Sum(ctx, root, name, info)
				if err != nil {
					return err
				}
				content = hex.EncodeToString([]byte(sum))
			}
			tell(name, fmt.Sprintf("%s %v %s", info.Mode().Type(), info.Mode()&0o100 != 0 && info.Mode().IsRegular(), content))
			return nil
		}, nil)
	})
	if err != nil {
		return fmt.Errorf("read release %s: %w", r.ID, err)
	}
	return nil
}
