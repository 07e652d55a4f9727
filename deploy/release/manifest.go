package release

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"relink/internal/links"
	"relink/internal/state"
)

// Manifest says what a release is and where it came from. Seal fills ID,
// Created, Files, Inodes and Bytes.
type Manifest struct {
	ID          string    `json:"id"`
	Source      string    `json:"source"`                // repository without password, folder or archive
	Ref         string    `json:"ref"`                   // as asked for
	Commit      string    `json:"commit,omitempty"`      // full id; empty when the source has none
	Description string    `json:"description,omitempty"` // for people
	Repeats     string    `json:"repeats,omitempty"`     // the earlier release whose content this is
	SourceTime  time.Time `json:"source_time,omitzero"`  // of the commit, or of the newest file
	Created     time.Time `json:"created"`               // when the release was sealed
	Files       int       `json:"files"`                 // regular files
	Inodes      int64     `json:"inodes"`                // files, folders and links
	Bytes       int64     `json:"bytes"`                 // sum of the regular files' sizes
}

// Content names what the release holds: the first release that was made of it.
func (m Manifest) Content() string { return cmp.Or(m.Repeats, m.ID) }

// BadMark says that a release must not be deployed again, and why.
type BadMark struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// record is the file kept for a release. A folder that relink did not make has
// one only when it is marked bad.
type record struct {
	Manifest *Manifest `json:"manifest,omitempty"`
	Bad      *BadMark  `json:"bad,omitempty"`
	Assets   *Assets   `json:"assets,omitempty"`
}

func (s *Store) recordPath(id string) string {
	return filepath.Join(s.dir, links.RecordDir, id+".json")
}

// readRecord gives an empty record when there is none.
func (s *Store) readRecord(id string) (record, error) {
	var r record
	data, err := state.Read(s.recordPath(id))
	if err == nil && data != nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && r.Manifest != nil && r.Manifest.ID != id {
		err = fmt.Errorf("it is that of %q", r.Manifest.ID)
	}
	if err != nil {
		return record{}, fmt.Errorf("manifest of release %s: %s: %w", id, s.recordPath(id), err)
	}
	return r, nil
}

func (s *Store) writeRecord(id string, r record) error {
	err := os.MkdirAll(filepath.Join(s.dir, links.RecordDir), 0o755)
	if err == nil {
		err = state.Write(s.recordPath(id), r)
	}
	if err != nil {
		return fmt.Errorf("manifest of release %s: %w", id, err)
	}
	return nil
}

// MarkBad records that the release failed. The mark survives a crash. Of the manifest at
// most 64 MiB are read.
func (s *Store) MarkBad(id, reason string) error {
	if _, err := s.folder(id); err != nil {
		return err
	}
	r, err := s.readRecord(id)
	if err != nil {
		return err
	}
	r.Bad = &BadMark{Reason: reason, Since: time.Now().UTC().Truncate(time.Second)}
	return s.writeRecord(id, r)
}

func (s *Store) removeRecord(id string) error {
	if err := state.Remove(s.recordPath(id)); err != nil {
		return fmt.Errorf("remove the manifest of release %s: %w", id, err)
	}
	return nil
}
