package opcache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"relink/internal/durable"
)

// Restart is one restart of one cache: a line of the history.
type Record struct {
	Time    time.Time `json:"time"`
	By      string    `json:"by"` // user
	Pools   []string  `json:"pools"`
	Action  Action    `json:"action"`
	Reasons []Reason  `json:"reasons"`
	Before  Figures   `json:"before"`
	After   Figures   `json:"after"` // with the hot set warm
	TookMS  int64     `json:"took_ms"`
	Warmed  int       `json:"warmed"` // scripts
	Failed  string    `json:"failed,omitempty"`
}

// Done tells a restart that happened from one that failed.
func (r Record) Done() bool { return r.Failed == "" && r.Action.Empties() }

// HistoryFile is the history's name in the state folder: JSON lines, oldest first.
const HistoryFile = "restarts.jsonl"

const (
	historyMost = 1000 // lines at which the file is shortened
	historyKept = 500  // lines that are kept then
)

// AppendHistory adds a restart to the history in the folder state.
func AppendHistory(state string, r Record) error {
	if err := appendHistory(filepath.Join(state, HistoryFile), r); err != nil {
		return fmt.Errorf("history of restarts: %w", err)
	}
	return nil
}

func appendHistory(path string, r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		line = append([]byte("\n"), line...) // a line that a crash cut short spoils only itself
	}
	line = append(line, '\n')
	if lines := bytes.SplitAfter(old, []byte("\n")); len(lines) > historyMost {
		kept := bytes.Join(lines[len(lines)-historyKept:], nil)
		return durable.WriteFile(path, append(kept, line...), 0o644)
	}
	return appendDurably(path, line)
}

func appendDurably(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close(), durable.SyncDir(filepath.Dir(path)))
}

// ReadHistory gives the restarts, oldest first. Lines that a crash cut short, or
// that another version wrote otherwise, are passed over.
func ReadHistory(state string) ([]Record, error) {
	text, err := os.ReadFile(filepath.Join(state, HistoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("history of restarts: %w", err)
	}
	return parseHistory(text), nil
}

func parseHistory(text []byte) []Record {
	var all []Record
	for line := range bytes.Lines(text) {
		var r Record
		if json.Unmarshal(line, &r) == nil && r.Action != "" {
			all = append(all, r)
		}
	}
	return all
}

// Of gives the restarts of the cache that these pools share.
func Of(history []Record, pools []string) []Record {
	var of []Record
	for _, r := range history {
		if samePools(r.Pools, pools) {
			of = append(of, r)
		}
	}
	return of
}
