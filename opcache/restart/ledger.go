package restart

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"relink/internal/state"
	"relink/opcache"
)

// Pending is a restart that was decided and has not been quiet enough to be done.
type Pending struct {
	Order
	Since  time.Time `json:"since"`            // when it was decided
	Tries  int       `json:"tries"`            // so far
	Last   string    `json:"last"`             // why it was not done at the last try
	Failed bool      `json:"failed,omitempty"` // a try has begun, and failed
	// Started and Restarts are of the cache that it is about: others settle it.
	// Started alone has a grain of a second.
	Started  time.Time `json:"started"`
	Restarts int64     `json:"restarts"` // of the cache, at the decision
}

// StillWanted tells whether nobody has restarted its cache since, as far as these
// caches know.
func (p Pending) StillWanted(usages []opcache.Usage) bool {
	return slices.ContainsFunc(usages, func(u opcache.Usage) bool { return p.About(u.Pools) && !p.settledBy(u) })
}

// settledBy tells whether somebody has restarted the cache since.
func (p Pending) settledBy(u opcache.Usage) bool {
	return !u.Started.Equal(p.Started) || u.Restarts != p.Restarts
}

// MakesRoom tells whether it is one that a release needs to find its place.
func (p Pending) MakesRoom() bool { return p.because(FigureFit) }

// PendingFile is the name of the pending restarts' file in the state folder.
const PendingFile = "restart.pending.json"

// ReadPending gives the restarts that are pending in a state folder. A file of more than
// 64 MiB is bounded.ErrTooLarge.
func ReadPending(dir string) ([]Pending, error) {
	text, err := state.Read(filepath.Join(dir, PendingFile))
	if err != nil {
		return nil, fmt.Errorf("pending restarts: %w", err)
	}
	return parsePending(text), nil
}

// parsePending takes a file that cannot be read for an empty one: the next
// decision finds the same reasons again.
func parsePending(text []byte) []Pending {
	var all []Pending
	if json.Unmarshal(text, &all) != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(p Pending) bool { return len(p.Pools) == 0 || !p.Action.Empties() })
}

// WritePending replaces what is pending.
func WritePending(dir string, all []Pending) (err error) {
	path := filepath.Join(dir, PendingFile)
	if len(all) == 0 {
		err = state.Remove(path)
	} else {
		err = state.Write(path, all)
	}
	if err != nil {
		return fmt.Errorf("pending restarts: %w", err)
	}
	return nil
}

// ClearPending forgets what is pending for the cache of these pools. A file of more than
// 64 MiB is bounded.ErrTooLarge.
func ClearPending(dir string, pools []string) error {
	return changePending(dir, func(all []Pending) []Pending { return without(all, pools) })
}

func changePending(dir string, change func(all []Pending) []Pending) error {
	all, err := ReadPending(dir)
	if err != nil {
		return err
	}
	return WritePending(dir, change(all))
}

func without(all []Pending, pools []string) []Pending {
	return slices.DeleteFunc(all, func(p Pending) bool { return p.About(pools) })
}

// restorePending has what was pending before of the caches that were noted since.
func restorePending(dir string, noted, before []Pending) error {
	return changePending(dir, func(all []Pending) []Pending {
		for _, n := range noted {
			all = without(all, n.Pools)
			all = append(all, slices.DeleteFunc(slices.Clone(before), func(p Pending) bool { return !p.About(n.Pools) })...)
		}
		return all
	})
}

// addPending notes one more try, and gives what it noted. The first try's time stays.
func addPending(dir string, p Pending) (Pending, error) {
	p.Tries = 1
	err := changePending(dir, func(all []Pending) []Pending {
		for _, old := range all {
			if old.About(p.Pools) && old.Started.Equal(p.Started) && old.Restarts == p.Restarts {
				p.Since, p.Tries = old.Since, old.Tries+1
			}
		}
		return append(without(all, p.Pools), p)
	})
	return p, err
}

// Record is one restart of one cache: a line of the history.
type Record struct {
	Time time.Time `json:"time"`
	By   string    `json:"by"` // user
	Order
	Before opcache.Figures `json:"before"`
	After  opcache.Figures `json:"after"` // with the hot set warm
	TookMS int64           `json:"took_ms"`
	Warmed int             `json:"warmed"` // scripts
	Failed string          `json:"failed,omitempty"`
}

// Done tells a restart that happened from one that failed.
func (r Record) Done() bool { return r.Failed == "" && r.Action.Empties() }

// HistoryFile is the history's name in the state folder: JSON lines, oldest first.
const HistoryFile = "restarts.jsonl"

func historyIn(dir string) state.Lines[Record] {
	return state.Lines[Record]{Path: filepath.Join(dir, HistoryFile), Whole: func(r Record) bool { return r.Action != "" }}
}

// AppendHistory adds a restart to the history in a state folder. Of what is there it reads
// at most 64 MiB.
func AppendHistory(dir string, r Record) error {
	if err := historyIn(dir).Append(r); err != nil {
		return fmt.Errorf("history of restarts: %w", err)
	}
	return nil
}

// ReadHistory gives the restarts, oldest first. There are at most 1,000, out of the last
// 64 MiB.
func ReadHistory(dir string) ([]Record, error) {
	all, err := historyIn(dir).All()
	if err != nil {
		return nil, fmt.Errorf("history of restarts: %w", err)
	}
	return all, nil
}

// Of gives the restarts of the cache that these pools share.
func Of(history []Record, pools []string) []Record {
	return slices.DeleteFunc(slices.Clone(history), func(r Record) bool { return !r.About(pools) })
}
