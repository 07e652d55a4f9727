package caches

import (
	"fmt"
	"os"
	"path/filepath"

	"relink/opcache"
)

func (s *session) apps() []opcache.App {
	if s.chosen != nil {
		return []opcache.App{*s.chosen}
	}
	return s.setup.Apps
}

func (s *session) stateFolder() error {
	if err := os.MkdirAll(s.setup.State, 0o755); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// existing makes a folder of the command line real.
func existing(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", path)
	}
	return abs, err
}
