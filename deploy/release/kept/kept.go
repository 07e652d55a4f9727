// Package kept keeps, in a releases folder, the lists of what releases in slots consist
// of, and what it takes to bring back those that were put away.
package kept

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/durable"
	"relink/internal/links"
)

// Store is what is kept in one releases folder:
//
//	<dir>/.relink/slot-3.files  what was sealed in the slot last
//	<dir>/.relink/<id>.files    what a release consists of that was put away
//	<dir>/.relink/contents/     files that only such releases need, named by their SHA-256
type Store struct {
	dir string
}

// In is what is kept in the releases folder dir, a real path.
func In(dir string) Store { return Store{dir} }

// PutAway takes a release out of its slot and keeps it: its list of files stays, and
// where the slot's next release has another file in the place of one of them, that is
// kept beside (Contents). No link of an instance may lead to it.
func (s Store) PutAway(id string) error {
	slot := links.PlaceOf(s.dir, id)
	if slot == "" {
		return nil
	}
	err := os.Link(s.ListPath(slot), s.ListPath(id)) // Write replaces the first of them, and never writes to it
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = durable.SyncDir(s.recordDir())
	}
	if err == nil {
		err = os.Remove(filepath.Join(s.dir, id))
	}
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("release %s leaves %s: %w", id, slot, err)
	}
	return nil
}

// Has tells of a release that was put away.
func (s Store) Has(id string) bool {
	_, err := os.Lstat(s.ListPath(id))
	return err == nil && !links.IsPlace(id)
}

// All lists the releases that were put away, but for those that are in a slot still: an
// interruption leaves their list.
func (s Store) All() ([]string, error) {
	entries, err := os.ReadDir(s.recordDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, entry := range entries {
		id, list := strings.CutSuffix(entry.Name(), ListSuffix)
		if _, err := os.Lstat(filepath.Join(s.dir, id)); list && !links.IsPlace(id) && errors.Is(err, fs.ErrNotExist) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s Store) recordDir() string { return filepath.Join(s.dir, links.RecordDir) }
