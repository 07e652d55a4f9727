package caches

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"relink/internal/trust"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
)

func (s *session) apps() []opcache.App {
	if s.chosen != nil {
		return []opcache.App{*s.chosen}
	}
	return s.setup.Apps
}

func (s *session) ledger() (restart.RestartQueue, error) {
	if err := os.MkdirAll(s.setup.State, 0o755); err != nil {
		return restart.RestartQueue{}, fmt.Errorf("state folder: %w", err)
	}
	return restart.RestartQueue{Dir: s.setup.State, By: trust.UserName(os.Getuid())}, nil
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

// progress is shown from the first step on, so that work that has none shows none.
func (s *session) progress(name, unit string) (update opcache.Progress, done func()) {
	var once sync.Once
	var shown *ui.Progress
	update = func(n, total int) {
		once.Do(func() { shown = s.Screen().Progress(name, unit, total) })
		shown.Update(n, total)
	}
	return update, func() {
		if once.Do(func() {}); shown != nil {
			shown.Done()
		}
	}
}
