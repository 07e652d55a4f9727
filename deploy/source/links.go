package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"relink/internal/hint"
	"relink/internal/tree"
)

// Links finds the links of the tree in dir.
func Links(ctx context.Context, dir string) (names []string, err error) {
	err = tree.With(dir, func(root *os.Root) error {
		return tree.Walk(ctx, root, ".", func(name string, info *tree.Info) error {
			if info.Mode().Type() == fs.ModeSymlink {
				names = append(names, name)
			}
			return nil
		}, nil)
	})
	return names, err
}

// CheckLinks refuses those of the links in dir that lead out of it, whatever source has
// brought them: where the release lies they lead elsewhere, or to what is not its own.
// What is at the paths in replaced may be anything: it does not stay.
func CheckLinks(dir string, names, replaced []string) error {
	return tree.With(dir, func(root *os.Root) error {
		for _, name := range names {
			if err := checkLink(root, name, replaced); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkLink looks at the link's text, and then has os.Root follow it, which refuses to
// leave the tree however many links lie on the way. A link to nothing is harmless.
func checkLink(root *os.Root, name string, replaced []string) error {
	target, err := root.Readlink(name)
	if err != nil {
		return err
	}
	to := path.Join(path.Dir(name), target)
	inside := !path.IsAbs(target) && filepath.IsLocal(to)
	if within(name, replaced) || inside && within(to, replaced) {
		return nil
	}
	if inside {
		_, err = root.Stat(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return hint.With(errors.Join(fmt.Errorf("%s: %w: the link points out of the release, at %q", name, ErrUnsafe, target), err),
		"make it a relative link inside, or list the path under shared")
}

func within(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return tree.Within(name, path.Clean(folder)) })
}
