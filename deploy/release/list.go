package release

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"relink/internal/hint"
	"relink/internal/links"
)

// Release is a folder in the releases folder.
type Release struct {
	Manifest          // of a foreign folder: ID, and Created is the folder's time
	Path     string   // real folder, which may be a slot; of one that is away there is none
	Away     bool     // it is in no folder: its files are kept beside (kept.Store)
	Sealed   bool     // relink made it and it is complete
	Bad      *BadMark // nil when it is good
	Problem  error    // why its manifest cannot be read; such a release counts as foreign
}

// List gives every release, newest first. Folders that relink did not make are
// listed with Sealed false, so that they can be shown and are never pruned;
// what is still being made or removed is not listed. Of each manifest at most 64 MiB are
// read.
func (s *Store) List() ([]Release, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	ids, err := s.Kept().All()
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	for _, entry := range entries {
		inSlot := links.PlaceOf(s.dir, entry.Name()) != ""
		if !entry.IsDir() && !inSlot || strings.HasPrefix(entry.Name(), ".") || links.IsPlace(entry.Name()) {
			continue
		}
		ids = append(ids, entry.Name())
	}
	var releases []Release
	for _, id := range ids {
		r, err := s.Get(id)
		if errors.Is(err, ErrNotFound) {
			continue // pruned since the folder was read
		}
		if err != nil {
			return nil, err
		}
		releases = append(releases, r)
	}
	slices.SortFunc(releases, newestFirst)
	return releases, nil
}

func newestFirst(a, b Release) int {
	return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
}

// Get gives one release; ErrNotFound when its folder does not exist. Of the manifest at
// most 64 MiB are read.
func (s *Store) Get(id string) (Release, error) {
	info, err := s.folder(id)
	if err != nil {
		return Release{}, err
	}
	r := Release{Manifest: Manifest{ID: id}, Path: s.place(id), Away: !info.IsDir()}
	rec, err := s.readRecord(id)
	r.Problem, r.Bad = err, rec.Bad
	if rec.Manifest != nil {
		r.Manifest, r.Sealed = *rec.Manifest, true
		return r, nil
	}
	r.Created = info.ModTime().UTC()
	return r, nil
}

// folder looks at the release's folder, or at the list of one that was put away;
// ErrNotFound when there is neither.
func (s *Store) folder(id string) (fs.FileInfo, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	info, err := os.Lstat(s.place(id))
	if errors.Is(err, fs.ErrNotExist) && s.Kept().Has(id) {
		return os.Lstat(s.Kept().ListPath(id))
	}
	if err == nil && info.IsDir() {
		return info, nil
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil, hint.With(fmt.Errorf("release %s in %s: %w", id, s.dir, ErrNotFound), `run "relink releases" to see what there is`)
	}
	return nil, fmt.Errorf("release %s: %w", id, err)
}
