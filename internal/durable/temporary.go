package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/bounded"
)

// RemoveTemporary removes what a crash left of a path that was being written, by
// WriteFile or another who names it so. Nobody else may be writing it.
func RemoveTemporary(path string) (removed []string, err error) {
	entries, err := bounded.Folder(filepath.Dir(path), bounded.MostLinks)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for what is left of %s: %w", path, err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isTemporary(path, entry.Name()) {
			continue
		}
		left := filepath.Join(filepath.Dir(path), entry.Name())
		if err := os.Remove(left); err != nil {
			return removed, fmt.Errorf("remove what is left of %s: %w", path, err)
		}
		removed = append(removed, left)
	}
	return removed, nil
}

// isTemporary knows the names of renameio and of os.CreateTemp: a dot, the name,
// perhaps a dot, and digits.
func isTemporary(path, name string) bool {
	digits, found := strings.CutPrefix(name, "."+filepath.Base(path))
	digits = strings.TrimPrefix(digits, ".")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}
