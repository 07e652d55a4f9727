package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/internal/config"
	"relink/internal/hint"
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

// ofOneRun is how many lines a run may have, which are the last ones: that it has ended, and
// that it was taken back.
const ofOneRun = 2

// Record writes the line once, however often a crash has it tried. It reads at most the
// last 64 MiB of the file.
func Record(file string, event Event) error {
	history, err := historyIn(file).Last(ofOneRun, maxRead)
	if err != nil {
		return ofHistory(err)
	}
	if slices.ContainsFunc(history, func(e Event) bool { return e.ID == event.ID && e.Undone == event.Undone }) {
		return nil
	}
	return ofHistory(historyIn(file).Append(event))
}

// History is oldest first. There are at most 1,000 events, out of the last 64 MiB of the
// file.
func History(file string) ([]Event, error) {
	events, err := historyIn(file).All()
	return events, ofHistory(err)
}

// Since gives the events that are no older than a time, the oldest first, out of the last
// 64 MiB of the file: what came before is not understood.
func Since(file string, since time.Time) ([]Event, error) {
	end, err := historyIn(file).End(maxRead)
	var events []Event
	for event, more := end.Next(); more && !event.Time.Before(since); event, more = end.Next() {
		events = append(events, event)
	}
	slices.Reverse(events)
	return events, ofHistory(err)
}

// maxRead is as much as there is of a history at most.
const maxRead = 64 << 20

// maxTail is room for some dozens of deploys of 1,000 instances: one that goes where the
// others go is some 60 bytes. As earlier versions wrote it, it is 500.
const maxTail = 4 << 20

// Last gives at most n events of a history, the newest first, out of the last
// 4 MB of the file. Before the first deploy there are none.
func Last(file string, n int) ([]Event, error) {
	events, err := historyIn(file).Last(n, maxTail)
	return events, ofHistory(err)
}

func ofHistory(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		err = hint.With(err, "run relink as root or as the user who deploys; to look only, the group of state_dir will do, which the packages call relink")
	}
	return fmt.Errorf("history: %w", err)
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
	end, err := historyIn(HistoryFile(stateDir, app)).End(maxRead)
	return end.Strings("link"), ofHistory(err)
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
	Name string  `json:"name"` // one of docs/guarantees.md
	MS   float64 `json:"ms"`   // how long it took
}
