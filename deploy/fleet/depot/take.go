package depot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"relink/deploy/release"
	"relink/deploy/source"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/tree"

	"golang.org/x/sys/unix"
)

// Take takes what was resolved, so that it can be fetched from here by the id. Of a list it
// writes at most 256 MiB.
func (d *Depot) Take(ctx context.Context, found source.Resolved, progress source.Progress) (id string, err error) {
	if err := d.make(); err != nil {
		return "", hint.Write(fmt.Errorf("depot: %w", err), filepath.Dir(d.dir))
	}
	held, err := d.hold(unix.LOCK_SH)
	if err != nil {
		return "", fmt.Errorf("depot: %w", err)
	}
	defer held.Close()
	if err := release.SpaceFor(d.dir, found.Bytes, found.Inodes); err != nil {
		return "", err
	}
	into, err := os.MkdirTemp(d.dir, takingName)
	if err != nil {
		return "", fmt.Errorf("depot: %w", err)
	}
	defer func() { err = errors.Join(err, tree.Remove(context.WithoutCancel(ctx), into)) }()
	if err := found.Fetch(ctx, into, progress); err != nil {
		return "", err
	}
	l := List{Head: Head{Source: found.Source, Commit: found.Commit, Description: found.Description, Time: found.Time.UTC()}}
	if l.Entries, err = d.takeFiles(ctx, into); err != nil {
		return "", fmt.Errorf("depot: %w", err)
	}
	if err := durable.SyncFileSystem(d.dir); err != nil {
		return "", err
	}
	if id, err = d.keep(l); err == nil {
		err = d.complete(id)
	}
	return id, err
}

// takeFiles moves all files to where their hash says, and tells what there was.
func (d *Depot) takeFiles(ctx context.Context, into string) (all []Entry, err error) {
	err = tree.With(d.dir, func(root *os.Root) error {
		top := filepath.Base(into)
		return tree.Walk(ctx, root, top, func(at string, info *tree.Info) error {
			if at == top {
				return nil
			}
			e, err := entryOf(ctx, root, at, info)
			if err == nil && e.Mode.IsRegular() {
				err = root.Rename(at, path.Join(filesDir, e.hex()))
			}
			e.Name = at[len(top)+1:]
			all = append(all, e)
			return err
		}, nil)
	})
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return all, err
}

func entryOf(ctx context.Context, root *os.Root, at string, info fs.FileInfo) (e Entry, err error) {
	e = Entry{Mode: info.Mode() & (fs.ModeType | mostMode), Time: info.ModTime()}
	if info.IsDir() {
		return e, nil
	}
	if e.Sum, err = tree.Sum(ctx, root, at, info); e.Mode.IsRegular() {
		e.Size = info.Size()
	}
	return e, err
}
