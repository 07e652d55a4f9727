package status

import (
	"slices"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/internal/ui"
)

// History is what was done to an application, newest first.
type History struct {
	App    string  `json:"app"`
	Events []Event `json:"events"`
	Exit   int     `json:"exit"`
}

// Event is a deploy or rollback that has ended, well or not.
type Event struct {
	ID        string            `json:"id"`            // of the run
	Time      time.Time         `json:"time"`          // when it ended
	User      string            `json:"user"`          // who did it
	Operation journal.Operation `json:"operation"`     // deploy or rollback
	Release   string            `json:"release"`       // where the links went
	Ref       string            `json:"ref,omitempty"` // from which its release was made
	Moves     []Move            `json:"moves"`
	Undone    string            `json:"undone,omitempty"`  // why its links were put back
	Stale     int               `json:"stale"`             // workers that still held the old release
	TookMS    float64           `json:"took_ms"`           // its steps together
	CutoverMS float64           `json:"cutover_ms"`        // from the first moved link to the last invalidation
	Restart   string            `json:"restart,omitempty"` // what was decided about the cache
}

// Move is what happened to the link of one instance.
type Move struct {
	Instance string `json:"instance"`
	From     string `json:"from,omitempty"` // release, or folder where it was none; "": there was no link
	To       string `json:"to,omitempty"`   // release, or folder where it is none
}

// ReadHistory gives at most n events. It changes nothing.
func ReadHistory(app apps.App, n int) (History, error) {
	result := History{App: app.Name, Events: []Event{}}
	events, err := journal.Last(app.HistoryFile(), n)
	for _, one := range events {
		result.Events = append(result.Events, eventOf(one))
	}
	return result, err
}

func eventOf(e journal.Event) Event {
	event := Event{ID: e.ID, Time: e.Time, User: e.User, Operation: e.Operation, Release: e.Release, Ref: e.Ref, Moves: []Move{},
		Undone: e.Undone, Stale: len(e.Stale), CutoverMS: e.CutoverMS, Restart: e.Restart}
	for _, move := range e.Moves {
		if move.Needed() && !move.Stays {
			event.Moves = append(event.Moves, Move{Instance: move.Instance, From: move.From.Served(), To: move.To.Served()})
		}
	}
	for _, step := range e.Steps {
		event.TookMS += step.MS
	}
	return event
}

// Text is the history for people.
func (h History) Text(width int) string {
	if len(h.Events) == 0 {
		return "Nothing was deployed yet.\n"
	}
	table := ui.NewTable(width, "ENDED", "BY", "WHAT", "RELEASE", "BEFORE", "INSTANCES", "TOOK", "RESULT").Right(5, 6)
	for _, e := range h.Events {
		table.Row(ui.Stamp(e.Time), e.User, string(e.Operation), e.Release, e.before(), ui.Count(len(e.Moves)),
			ui.Duration(ui.FromMilliseconds(e.TookMS)), e.result())
	}
	return table.String()
}

// before is where the instances came from.
func (e Event) before() string {
	var froms []string
	for _, move := range e.Moves {
		if move.From != "" && !slices.Contains(froms, move.From) {
			froms = append(froms, move.From)
		}
	}
	return ui.FirstFew(froms)
}

func (e Event) result() string {
	switch {
	case e.Undone != "":
		return "undone: " + ui.Printable(e.Undone)
	case e.Stale > 0:
		return ui.Plural(e.Stale, "worker") + " not reached"
	}
	return "live"
}
