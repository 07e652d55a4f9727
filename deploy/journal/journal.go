// Package journal is what deploys write down: the intent of the one that runs,
// from which an interruption is put right, and a line of history for each that ended.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"relink/deploy/lock"
	"relink/deploy/moves"
	"relink/internal/hint"
	"relink/internal/state"
	"relink/opcache"
)

// Phase is how far a deploy had come when it last wrote its journal.
type Phase string

const (
	// PhaseStaging: a release is being made; nothing that serves was touched.
	PhaseStaging Phase = "staging"
	// PhaseStaged: the release is complete, the links are about to be prepared.
	PhaseStaged Phase = "staged"
	// PhaseSwitching: links are being renamed. Interrupted here, they go back.
	PhaseSwitching Phase = "switching"
	// PhaseMoved: every link is renamed, durably. From here on it goes forward.
	PhaseMoved Phase = "moved"
	// PhaseCutOver: the old scripts are invalidated; every idle worker serves the new release.
	PhaseCutOver Phase = "cut_over"
	// PhaseSettled: also the workers that were busy, but for those in Stale.
	PhaseSettled Phase = "settled"
)

// direction is what becomes of an interrupted deploy, in the words of a dry run.
type direction string

const (
	tidying   direction = "clean up after"
	Undoing   direction = "undo"
	Finishing direction = "finish"
)

// Direction is "" for a phase that is not known.
func (p Phase) Direction() direction {
	switch p {
	case PhaseStaging, PhaseStaged:
		return tidying
	case PhaseSwitching:
		return Undoing
	case PhaseMoved, PhaseCutOver, PhaseSettled:
		return Finishing
	}
	return ""
}

// Journal is the intent of a running deploy, on disk before each phase begins.
// A file of it means that a deploy runs or was interrupted.
type Journal struct {
	App        string           `json:"app"`
	Operation  Operation        `json:"operation"`
	Phase      Phase            `json:"phase"`
	ID         string           `json:"id"`      // of this run; the temporary links carry it
	Release    string           `json:"release"` // where the links go
	Ref        string           `json:"ref,omitempty"`
	Made       bool             `json:"made"`                // this run makes the release, and may remove it while no link leads to it
	Repeats    []string         `json:"repeats,omitempty"`   // releases that this run makes for those that stay, or go back
	Moves      moves.Plan       `json:"moves,omitempty"`     // every link's old and new target
	Unsettled  moves.Plan       `json:"unsettled,omitempty"` // moves of earlier deploys whose old release a busy worker may still bring back
	Reset      Reset            `json:"reset"`
	APCu       bool             `json:"apcu,omitempty"`        // it is to be cleared with the cut-over
	Stale      []opcache.Worker `json:"stale,omitempty"`       // workers that were not reached in time
	EndWorkers []string         `json:"end_workers,omitempty"` // addresses of the pools whose workers have to end with the switch
	Well       []string         `json:"well,omitempty"`        // instances whose front page was answered well before the switch
	Undoing    string           `json:"undoing,omitempty"`     // why the moves are those of a roll-back
	Holder     lock.Holder      `json:"by"`
	Started    time.Time        `json:"started"`
}

// ErrJournal: the journal of an interrupted deploy cannot be understood, and
// guessing could move links to where they never were.
var ErrJournal = errors.New("unreadable journal")

func Write(path string, journal Journal) error {
	if err := state.Write(path, journal); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Read returns nil when no deploy is under way. Fields of newer versions
// are passed over; a phase of one is not, since it decides what happens. A file of more
// than 64 MiB is bounded.ErrTooLarge.
func Read(path string) (*Journal, error) {
	text, err := state.Read(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if text == nil {
		return nil, nil
	}
	journal, err := parse(text)
	if err != nil {
		return nil, hint.With(fmt.Errorf("%w %s: %w", ErrJournal, path, err),
			`see with "relink status" where each link leads, put them right by hand, then move %s away`, hint.Shell(path))
	}
	return journal, nil
}

func parse(text []byte) (*Journal, error) {
	var journal Journal
	if err := json.Unmarshal(text, &journal); err != nil {
		return nil, err
	}
	if journal.Phase.Direction() == "" {
		return nil, fmt.Errorf("unknown phase %q", journal.Phase)
	}
	for _, move := range journal.Moves {
		if move.Place == "" || move.From == (moves.Target{}) && move.To == (moves.Target{}) {
			return nil, fmt.Errorf("instance %q: a move without link or targets", move.Instance)
		}
	}
	if len(journal.Moves) == 0 && journal.Phase.Direction() != tidying {
		return nil, fmt.Errorf("phase %q without a list of moves", journal.Phase)
	}
	return &journal, nil
}

func Remove(path string) error {
	if err := state.Remove(path); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// Reset is what a deploy does about OPcache.
type Reset string

const (
	// ResetSmart makes every worker follow without a restart.
	ResetSmart Reset = "smart"
	// ResetAlways does the same and then restarts the cache.
	ResetAlways Reset = "always"
	// ResetNever only moves links, and warns of what stays stale.
	ResetNever Reset = "never"
)
