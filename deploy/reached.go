package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"relink/internal/durable"
)

// reachedMost bounds the folders that are remembered.
const reachedMost = 100

func (a App) reachedFile() string { return a.stateFile("reached.json") }

// readReached lists the folders through which the web server has been seen to
// reach the links: one that is quiet now may be reached so all the same. What
// cannot be read is learned again.
func readReached(path string) []string {
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

// rememberReached adds what was learned to what is known.
func (r *run) rememberReached() error {
	if r.cut == nil {
		return nil
	}
	path := r.App.reachedFile()
	known := readReached(path)
	all := slices.Concat(r.cut.Learned(), known)
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
