package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"

	"github.com/rs/zerolog"
)

// session is one command.
type session struct {
	setup    restart.RestartSetup
	chosen   *opcache.App // nil: all
	format   string
	out      io.Writer
	screen   *ui.Output
	log      zerolog.Logger
	deploys  func(state, app string) ([]opcache.Deployed, error)
	requests int64 // in a window, for its hit rate to count
}

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
	return restart.RestartQueue{Dir: s.setup.State, By: operator()}, nil
}

// operator names who runs this without asking the environment.
func operator() string {
	id := strconv.Itoa(os.Getuid())
	if known, err := user.LookupId(id); err == nil {
		return known.Username
	}
	return "uid " + id
}

// failure is how a JSON document tells an error.
type failure struct {
	Message string   `json:"message"`
	Hints   []string `json:"hints"`
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	return &failure{Message: err.Error(), Hints: append([]string{}, hint.Of(err)...)}
}

// show prints a result. In JSON a failure is part of it.
func (s *session) show(result any, text func(io.Writer, int) error, err error) error {
	if s.format != "json" {
		return errors.Join(err, text(s.out, min(s.screen.Width(), reportWidth)))
	}
	encoder := json.NewEncoder(s.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if printErr := encoder.Encode(result); printErr != nil {
		return errors.Join(err, printErr)
	}
	if err != nil {
		return exit.Printed(err)
	}
	return nil
}

// reportWidth keeps lines readable on very wide terminals.
const reportWidth = 100

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

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// progress is shown from the first step on, so that work that has none shows none.
func (s *session) progress(name, unit string) (update opcache.Progress, done func()) {
	var once sync.Once
	var shown *ui.Progress
	update = func(n, total int) {
		once.Do(func() { shown = s.screen.Progress(name, unit, total) })
		shown.Update(n, total)
	}
	return update, func() {
		if once.Do(func() {}); shown != nil {
			shown.Done()
		}
	}
}
