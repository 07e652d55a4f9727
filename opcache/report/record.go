package report

import (
	"fmt"
	"time"

	"relink/internal/state"
)

const (
	totalsVersion = 1
	// keptTotals bounds the folder: a sample each quarter of an hour for a day.
	keptTotals = 96
)

func totalsIn(dir string) state.Samples[Totals] {
	return state.Samples[Totals]{Dir: dir, Kept: keptTotals, Check: checkTotals}
}

func checkTotals(t Totals) error {
	if t.Version != totalsVersion {
		return fmt.Errorf("sample of version %d, this is version %d", t.Version, totalsVersion)
	}
	return nil
}

// SaveTotals records t in dir, which it makes, and removes the oldest samples
// that are too many.
func SaveTotals(dir string, t Totals) error { return totalsIn(dir).Add(t.Time, t, 0) }

// LoadTotals reads the newest sample in dir that was taken before a time; nil if
// there is none.
func LoadTotals(dir string, before time.Time) (*Totals, error) {
	return totalsIn(dir).Upto(before.Add(-time.Nanosecond))
}
