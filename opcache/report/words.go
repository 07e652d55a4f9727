package report

import (
	"fmt"
	"time"

	"relink/internal/ui"
)

// moment says a time in UTC, "never" for none.
func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// ago says how long ago something was, "-" if never.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return ui.Duration(max(now.Sub(*t), 0).Round(time.Second))
}

func percentOf(ratio *float64) string {
	if ratio == nil {
		return "-"
	}
	return ui.Percent(*ratio)
}

func countOf(n *int64) string {
	if n == nil {
		return "-"
	}
	return ui.Count(*n)
}

// sentence is what sharing saves, or "".
func (r *Report) sentence() string {
	if r.SavedBytes == 0 {
		return ""
	}
	return fmt.Sprintf("Sharing saves %s and %s now: without it this would need %s; you have %s.",
		ui.Bytes(r.SavedBytes), ui.Plural(r.SavedKeys, "key"), ui.Bytes(r.UnsharedBytes), ui.Bytes(r.MemoryBytes))
}
