package caches

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
)

// ErrLive means that a release is in use.
var ErrLive = errors.New("it is live")

// InvalidateReport tells what "opcache invalidate" did. As JSON it is the
// contract of docs/opcache.md.
type InvalidateReport struct {
	Release     string        `json:"release"`     // "" where files were named
	Files       []string      `json:"files"`       // their real paths
	Invalidated int           `json:"invalidated"` // scripts that were live
	Exit        int           `json:"exit"`
	Error       *exit.Failure `json:"error,omitempty"`
}

// InvalidateFiles invalidates scripts by their real path, in slices.
func InvalidateFiles(ctx context.Context, c *opcache.Caches, files []string) (invalidated int, err error) {
	all, err := opcache.Each(ctx, c.Spaces(), func(ctx context.Context, one *opcache.KeySpace) (int, error) {
		paths := make([]string, len(files))
		for i, file := range files {
			paths[i] = one.ToPool(file)
		}
		n, _, err := c.InvalidateAll(ctx, one, paths)
		return n, err
	})
	for _, n := range all {
		invalidated += n
	}
	return invalidated, err
}

// invalidate is "relink opcache invalidate".
func (s *session) invalidate(ctx context.Context, release string, files []string, force bool) error {
	if (release == "") == (len(files) == 0) {
		return usage(errors.New("opcache invalidate: give either --release DIR or files"))
	}
	result := InvalidateReport{Files: []string{}}
	err := s.invalidateInto(ctx, release, files, force, &result)
	result.Exit, result.Error = exit.Status(err), exit.FailureOf(err)
	return s.Show(result, err)
}

func (s *session) invalidateInto(ctx context.Context, release string, files []string, force bool, result *InvalidateReport) error {
	var err error
	if release != "" {
		result.Release, err = s.unusedRelease(release, force)
	} else {
		result.Files, err = realFiles(files)
	}
	if err != nil {
		return err
	}
	caches, err := s.setup.Reach(ctx, s.chosen)
	if err != nil {
		return err
	}
	if release == "" {
		result.Invalidated, err = InvalidateFiles(ctx, caches, result.Files)
		return err
	}
	retired, err := caches.Retire(ctx, []string{result.Release})
	result.Invalidated = retired.Invalidated
	return err
}

func (s *session) unusedRelease(release string, force bool) (string, error) {
	abs, err := filepath.Abs(release)
	if err != nil {
		return "", err
	}
	folder := links.RealFolder(abs)
	app, err := s.application(folder, folder)
	if err != nil || force {
		return folder, err
	}
	used := app.InUse().Links
	for _, place := range slices.Sorted(maps.Keys(used)) {
		if links.Within(used[place], folder) {
			return "", hint.With(fmt.Errorf("invalidate %s: %w: %s leads to it", folder, ErrLive, app.NamesAt([]string{place})[0]),
				"its visitors would have to compile all of it again; use --force if that is what you want")
		}
	}
	return folder, nil
}

// realFiles resolves what exists: OPcache knows scripts by their real path.
func realFiles(files []string) ([]string, error) {
	real := make([]string, len(files))
	for i, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		real[i] = links.RealFolder(abs)
		if info, err := os.Stat(real[i]); err == nil && info.IsDir() {
			return nil, hint.With(fmt.Errorf("%s is a folder", file), "use --release for all that is below it")
		}
	}
	return real, nil
}

// Text is the result for people.
func (r InvalidateReport) Text(int) string {
	return fmt.Sprintf("%s of %s invalidated\n", ui.Plural(r.Invalidated, "script"), cmp.Or(r.Release, ui.Plural(len(r.Files), "file")))
}
