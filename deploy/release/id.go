package release

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	idTime       = "20060102T150405Z"
	maxLabelSize = 60
)

// NewID makes the id of a release: the time in UTC, so that ids sort by age, and
// what is recognisable of label, as in 20261123T054127Z-v2. A number is added
// when the id is taken: by a release that is there, or by one that was there once, in the
// same second perhaps, and whose path must not serve again.
func (s *Store) NewID(now time.Time, label string, once func(id string) bool) string {
	base := now.UTC().Format(idTime)
	if clean := cleanLabel(label); clean != "" {
		base += "-" + clean
	}
	id := base
	for n := 2; s.taken(id) || once(id); n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}

func (s *Store) taken(id string) bool {
	for _, path := range []string{s.Path(id), s.recordPath(id)} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	entries, _ := os.ReadDir(s.dir)
	for _, entry := range entries {
		name := entry.Name()
		if stem, ok := strings.CutPrefix(name, stagingPrefix); ok && stem[:max(strings.LastIndex(stem, "-"), 0)] == id {
			return true
		}
	}
	return false
}

var notInLabels = regexp.MustCompile(`[^._+0-9A-Za-z]+`)

// cleanLabel keeps what is safe in a file name, a URL and a shell word.
func cleanLabel(label string) string {
	clean := notInLabels.ReplaceAllString(label, "-")
	return strings.Trim(clean[:min(len(clean), maxLabelSize)], "-.")
}

// checkID refuses what is not one plain, visible name inside the folder.
func checkID(id string) error {
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsRune(id, 0) || filepath.Base(id) != id {
		return fmt.Errorf("%q: %w", id, ErrInvalidID)
	}
	return nil
}
