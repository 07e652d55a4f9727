package restart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"syscall"

	"relink/internal/bounded"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/realpath"
	"relink/opcache"
	"relink/php/fpm"
)

// errSettings: nobody can tell whether FPM reads settings out of a release.
var errSettings = errors.New("what FPM's configuration includes is not known")

// settings tells whether FPM would read other settings (php_admin_value, env and
// the like) at a start after the switch than before it, because its configuration
// includes files through links that move. It tries them then.
func (r *masterRenewal) settings(ctx context.Context) (changed bool, err error) {
	m := r.master
	if m.PID == 0 || m.Root != "/" { // in another root no link of ours leads
		return false, nil
	}
	now, err := m.FlatConfig(func(path string) string { real, _ := links.Follow(path, nil); return real })
	if err != nil {
		return false, fmt.Errorf("%w: %w", errSettings, err)
	}
	then, err := m.FlatConfig(func(path string) string { real, _ := links.Follow(path, r.moved); return real })
	switch {
	case err != nil:
		err = fmt.Errorf("%w after the switch: %w", fpm.ErrBadConfig, err)
	case now == then:
		return false, nil
	default:
		_, err = m.TryConfig(ctx, then)
	}
	return true, hint.With(err, "mend the files that FPM's configuration includes from the release, or include them from elsewhere")
}

const (
	// userINIEntries bounds the look through one document root.
	userINIEntries = 500_000
	// userINIBytes bounds what is compared of one file.
	userINIBytes = 1 << 20
)

var errManyEntries = fmt.Errorf("more than %d entries", userINIEntries)

// userINI lists the files of the document roots that change and that a worker
// remembers. Apache's own PHP reads none.
func (r *masterRenewal) userINI(ctx context.Context, docroot string, sites []opcache.Link) ([]string, error) {
	c := r.configuration
	if r.forgets || c.UserINI == "" || c.UserINITTL <= 0 {
		return nil, nil
	}
	var all []string
	compared := map[[2]string]bool{}
	for _, l := range sites {
		pair := [2]string{filepath.Join(l.From, docroot), filepath.Join(l.To, docroot)}
		if !l.Moves() || compared[pair] {
			continue
		}
		compared[pair] = true
		changed, err := changedUserINI(ctx, pair[0], pair[1], c.UserINI)
		if err != nil {
			return nil, err
		}
		all = append(all, changed...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// changedUserINI lists the files of that name, by their paths below the document
// root, that a worker would read otherwise in the new one.
func changedUserINI(ctx context.Context, oldRoot, newRoot, name string) ([]string, error) {
	old, err := userINIs(ctx, oldRoot, name)
	if err != nil {
		return nil, err
	}
	next, err := userINIs(ctx, newRoot, name)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(old)
	maps.Copy(all, next)
	var changed []string
	for _, path := range slices.Sorted(maps.Keys(all)) {
		before, was := old[path]
		after, is := next[path]
		if was != is || !bytes.Equal(before, after) {
			changed = append(changed, path)
		}
	}
	return changed, nil
}

// userINIs reads the files of that name below a folder. Folders behind links are
// not the release's own, and no part of the switch.
func userINIs(ctx context.Context, root, name string) (map[string][]byte, error) {
	found, seen := map[string][]byte{}, 0
	real, err := realpath.Of(root)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s in %s: %w", name, root, err)
	}
	err = filepath.WalkDir(real, func(path string, entry fs.DirEntry, err error) error {
		if seen++; seen > userINIEntries {
			return errManyEntries
		}
		switch {
		case errors.Is(err, fs.ErrNotExist), ctx.Err() != nil:
			return ctx.Err()
		case err != nil || entry.Name() != name || entry.IsDir():
			return err
		}
		below, err := filepath.Rel(real, path)
		if err == nil {
			found[below], err = readUserINI(path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for %s in %s: %w", name, root, err)
	}
	return found, nil
}

// readUserINI reads what PHP would: also through a link. Whatever is no file
// reads as nothing, and is not waited for.
func readUserINI(path string) ([]byte, error) {
	f, err := bounded.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENXIO) || errors.Is(err, bounded.ErrNoFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, userINIBytes))
}
