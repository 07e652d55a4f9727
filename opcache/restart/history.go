package restart

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"relink/internal/state"
	"relink/opcache"
)

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

// AppendHistory adds a restart to the history in a state folder.
func AppendHistory(dir string, r Record) error {
	if err := historyIn(dir).Append(r); err != nil {
		return fmt.Errorf("history of restarts: %w", err)
	}
	return nil
}

// ReadHistory gives the restarts, oldest first.
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
