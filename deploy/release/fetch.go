package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"relink/deploy/source"
	"relink/internal/tree"
)

// Fetch brings what was resolved, into a slot what differs from what that holds. Links that
// lead out of the release are refused, but for what is at the paths in replaced.
func (st *Staging) Fetch(ctx context.Context, from source.Fetcher, progress source.Progress, replaced []string) error {
	err := st.fetch(ctx, from, progress)
	if err != nil {
		return err
	}
	links, err := st.links(ctx)
	if err != nil {
		return err
	}
	return source.CheckLinks(st.path, links, replaced)
}

func (st *Staging) fetch(ctx context.Context, from source.Fetcher, progress source.Progress) error {
	if st.slot == nil {
		return from.Fetch(ctx, st.path, progress)
	}
	return st.Fill(ctx, func(into string) (func(string) bool, error) {
		if updater, able := from.(source.Updater); able {
			return updater.Update(ctx, into, st, progress)
		}
		return func(string) bool { return false }, from.Fetch(ctx, into, progress)
	})
}

// Fill has somebody fill a folder beside the slot, and takes what is in it. fill
// returns what the slot keeps of its own.
func (st *Staging) Fill(ctx context.Context, fill func(into string) (keeps func(name string) bool, err error)) error {
	into := filepath.Join(st.store.dir, fmt.Sprintf("%s%s-%08x", stagingPrefix, st.id, rand.Uint32()))
	if err := os.Mkdir(into, 0o755); err != nil {
		return fmt.Errorf("create staging folder: %w", err)
	}
	err := inheritMode(st.store.dir, into)
	if err == nil {
		var keeps func(string) bool
		if keeps, err = fill(into); err == nil {
			err = st.take(ctx, into, keeps)
		}
	}
	return errors.Join(err, tree.Remove(context.WithoutCancel(ctx), into))
}

// links are the names of the links that a source has brought.
func (st *Staging) links(ctx context.Context) (names []string, err error) {
	if st.slot != nil {
		for name, e := range st.slot.brought {
			if e.Mode.Type() == fs.ModeSymlink {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names, nil
	}
	return source.Links(ctx, st.path)
}
