package opcache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"relink/internal/durable"
)

// reachedMost bounds the folders that are remembered.
const reachedMost = 100

// ReachedFile is where that is remembered of an application.
func ReachedFile(state, app string) string { return filepath.Join(state, app+".reached.json") }

// ReadReached lists the folders through which the web server has been seen to
// reach links: one that is quiet now may be reached so all the same. What cannot
// be read is learned again.
func ReadReached(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var folders []string
	if json.Unmarshal(text, &folders) != nil {
		return nil
	}
	return folders
}

// RememberReached adds what a Switch has learned to what is known, and forgets
// folders that are no more.
func RememberReached(path string, learned []string) error {
	known := ReadReached(path)
	all := slices.Concat(learned, known)
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(folder string) bool {
		_, err := os.Stat(folder)
		return errors.Is(err, fs.ErrNotExist)
	})
	all = all[:min(len(all), reachedMost)]
	if slices.Equal(all, known) {
		return nil
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = durable.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("remember how the links are reached: %w", err)
	}
	return nil
}
