package journal

import (
	"fmt"
	"slices"
	"time"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/state"
	"relink/opcache"
)

// Operation is what moved links.
type Operation string

const (
	OperationDeploy   Operation = "deploy"
	OperationRollback Operation = "rollback"
	OperationRecover  Operation = "recover"
	OperationPrune    Operation = "prune"
	OperationRefresh  Operation = "refresh" // of links that somebody else has moved
	OperationWarm     Operation = "warm"    // before somebody else moves them
)

// Event is one line of an application's history: one deploy or rollback that
// ended, well or not.
type Event struct {
	ID        string           `json:"id"` // of the run
	Time      time.Time        `json:"time"`
	Operation Operation        `json:"operation"`
	Release   string           `json:"release"`
	Ref       string           `json:"ref,omitempty"`
	Moves     moves.Plan       `json:"moves"`
	Undone    string           `json:"undone,omitempty"` // why the links were put back
	Stale     []opcache.Worker `json:"stale,omitempty"`  // workers that still held the old release
	User      string           `json:"user"`

	Steps      []Step  `json:"steps,omitempty"`      // those that had been taken when the line was written
	CutoverMS  float64 `json:"cutover_ms,omitempty"` // from the first moved link to the last invalidation
	Restart    string  `json:"restart,omitempty"`    // what was decided about the cache
	SavedBytes int64   `json:"saved_bytes,omitempty"`
	// SetUp is what a dry run, which asks nobody, takes for true.
	SetUp opcache.Addressing `json:"set_up,omitempty"`
}

// Moved tells events that left their links moved from those that were undone.
func (e Event) Moved() bool { return e.Undone == "" }

// HistoryFile is where an application's history lies.
func HistoryFile(stateDir, app string) string {
	return apps.App{App: config.App{Name: app}, State: stateDir}.HistoryFile()
}

func historyIn(file string) state.Lines[Event] {
	return state.Lines[Event]{Path: file, Whole: func(e Event) bool { return e.Operation != "" }}
}

// Record writes the line once, however often a crash has it tried. It reads at most the
// last 64 MiB of the file.
func Record(file string, event Event) error {
	history, err := History(file)
	if err != nil || slices.ContainsFunc(history, func(e Event) bool { return e.ID == event.ID && e.Undone == event.Undone }) {
		return err
	}
	return ofHistory(historyIn(file).Append(event))
}

// History is oldest first. There are at most 1,000 events, out of the last 64 MiB of the
// file.
func History(file string) ([]Event, error) {
	events, err := historyIn(file).All()
	return events, ofHistory(err)
}

// maxTail is room for some dozens of deploys of 100 instances, or for the last few
// of thousands: one move is 500 bytes.
const maxTail = 4 << 20

// Last gives at most n events of a history, the newest first, out of the last
// 4 MB of the file. Before the first deploy there are none.
func Last(file string, n int) ([]Event, error) {
	events, err := historyIn(file).Last(n, maxTail)
	return events, ofHistory(err)
}

func ofHistory(err error) error {
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// Deployed lists the deploys of an application that left links moved, oldest
// first. It reads at most the last 64 MiB of the history.
func Deployed(stateDir, app string) ([]Event, error) {
	events, err := History(HistoryFile(stateDir, app))
	return slices.DeleteFunc(events, func(e Event) bool { return e.Operation != OperationDeploy || !e.Moved() }), err
}

// KnownLinks are the links that deploys of an application have moved, as far as
// its history reaches back. Of that the last 64 MiB are read.
func KnownLinks(stateDir, app string) ([]string, error) {
	events, err := History(HistoryFile(stateDir, app))
	seen := map[string]bool{}
	var known []string
	for _, event := range events {
		for _, move := range event.Moves {
			if !seen[move.Link] {
				seen[move.Link] = true
				known = append(known, move.Link)
			}
		}
	}
	return known, err
}

// Before is where an instance came from when the deploy that brought it to its
// current release moved it. Rollbacks are passed over, so that the second
// rollback in a row goes one release further back and not forth again.
func Before(events []Event, instance string, current moves.Target) (moves.Target, bool) {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Operation != OperationDeploy || !events[i].Moved() {
			continue
		}
		for _, move := range events[i].Moves {
			if move.Instance == instance && move.To.Served() == current.Served() && move.Needed() && !move.Stays {
				return move.From, move.From.Exists()
			}
		}
	}
	return moves.Target{}, false
}

// Since is when an instance's link was last moved to where it leads now.
func Since(events []Event, instance string, current moves.Target) time.Time {
	for i := len(events) - 1; i >= 0; i-- {
		if !events[i].Moved() {
			continue
		}
		for _, move := range events[i].Moves {
			if move.Instance != instance || !move.Needed() || move.To.Real != current.Real || move.To.Release != current.Release {
				continue
			}
			if !move.Stays {
				return events[i].Time
			}
			current = move.From
		}
	}
	return time.Time{}
}

// LastSetUp is the set-up of the application at its last deploy, "" where none is
// known. It reads at most the last 4 MiB of the history.
func LastSetUp(app apps.App) (opcache.Addressing, error) {
	last, err := Last(app.HistoryFile(), 1)
	if err != nil || len(last) == 0 {
		return "", err
	}
	return last[0].SetUp, nil
}

// Step is one step and its time.
type Step struct {
	Name string  `json:"name"`
	MS   float64 `json:"ms"`
}
