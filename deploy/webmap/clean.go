package webmap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Clean removes what a crash left of maps that were being written. Nobody else may
// be writing one.
func Clean(path string) (removed []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for what is left of map %s: %w", path, err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !isStaged(path, entry.Name()) {
			continue
		}
		left := filepath.Join(filepath.Dir(path), entry.Name())
		if err := os.Remove(left); err != nil {
			return removed, fmt.Errorf("remove what is left of a map: %w", err)
		}
		removed = append(removed, left)
	}
	return removed, nil
}

// isStaged knows the names that Prepare gives: os.CreateTemp ends them in digits.
func isStaged(path, name string) bool {
	digits, found := strings.CutPrefix(name, "."+filepath.Base(path)+".")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}
