package deploy

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
	"relink/opcache"
)

// Operation is what moved links.
type Operation string

const (
	OperationDeploy   Operation = "deploy"
	OperationRollback Operation = "rollback"
	OperationRecover  Operation = "recover"
	OperationPrune    Operation = "prune"
)

// Event is one line of an application's history: one deploy or rollback that
// ended, well or not.
type Event struct {
	ID        string           `json:"id"` // of the run
	Time      time.Time        `json:"time"`
	Operation Operation        `json:"operation"`
	Release   string           `json:"release"`
	Ref       string           `json:"ref,omitempty"`
	Moves     Plan             `json:"moves"`
	Undone    string           `json:"undone,omitempty"` // why the links were put back
	Stale     []opcache.Worker `json:"stale,omitempty"`  // workers that still held the old release
	User      string           `json:"user"`

	Steps      []StepReport `json:"steps,omitempty"`      // those that had been taken when the line was written
	CutoverMS  float64      `json:"cutover_ms,omitempty"` // from the first moved link to the last invalidation
	Restart    string       `json:"restart,omitempty"`    // what was decided about the cache
	SavedBytes int64        `json:"saved_bytes,omitempty"`
	// SetUp is what a dry run, which asks nobody, takes for true.
	SetUp opcache.Addressing `json:"set_up,omitempty"`
}

// Moved tells events that left their links moved from those that were undone.
func (e Event) Moved() bool { return e.Undone == "" }

const (
	historyMost = 1000 // lines at which the file is shortened
	historyKept = 500  // lines that are kept then
)

func appendHistory(path string, event Event) error {
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("history: %w", err)
	}
	if bytes.Count(old, []byte("\n")) >= historyMost {
		return durable.WriteFile(path, append(lastLines(old, historyKept), append(line, '\n')...), 0o644)
	}
	return appendLine(path, line, len(old) > 0 && old[len(old)-1] != '\n')
}

// appendLine closes a line that a crash cut short, so that it spoils only itself.
func appendLine(path string, line []byte, cut bool) error {
	if cut {
		line = append([]byte("\n"), line...)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close(), durable.SyncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

func lastLines(text []byte, n int) []byte {
	lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	lines = lines[max(0, len(lines)-n):]
	return append(bytes.Join(lines, nil), '\n')
}

// before is where an instance came from when the deploy that brought it to its
// current release moved it. Rollbacks are passed over, so that the second
// rollback in a row goes one release further back and not forth again.
func before(history []Event, instance string, current Target) (Target, bool) {
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Operation != OperationDeploy || !history[i].Moved() {
			continue
		}
		for _, move := range history[i].Moves {
			if move.Instance == instance && move.To.Release == current.Release && move.Needed() && !move.Stays {
				return move.From, move.From.Exists()
			}
		}
	}
	return Target{}, false
}

// since is when an instance's link was last moved to where it leads now.
func since(history []Event, instance string, current Target) time.Time {
	for i := len(history) - 1; i >= 0; i-- {
		if !history[i].Moved() {
			continue
		}
		for _, move := range history[i].Moves {
			if move.Instance != instance || !move.Needed() || move.To.Real != current.Real {
				continue
			}
			if !move.Stays {
				return history[i].Time
			}
			current = move.From
		}
	}
	return time.Time{}
}
