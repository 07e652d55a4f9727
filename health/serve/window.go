package serve

import (
	"slices"
	"time"

	"relink/health/gather"
)

// window remembers samples for gather.Facts: those of full looks only, since a
// cheap one does not count the hits of releases. They are kept in the folder of
// "relink health" too, so that either knows what the other saw.
type window struct {
	folder gather.Folder
	kept   []gather.Sample // oldest first
	read   bool
	full   bool // the look in progress is a full one
}

// Before gives the newest sample that is at least a window old, else the oldest.
func (w *window) Before(now time.Time, length time.Duration) (*gather.Sample, error) {
	if !w.read {
		recorded, err := w.folder.Before(now, length)
		if err != nil {
			return nil, err
		}
		if w.read = true; recorded != nil {
			w.kept = append(w.kept, *recorded)
		}
	}
	w.kept = slices.DeleteFunc(w.kept, func(s gather.Sample) bool { return !s.Time.Before(now) }) // the clock was put back
	for len(w.kept) > 1 && !w.kept[1].Time.After(now.Add(-length)) {
		w.kept = w.kept[1:]
	}
	if len(w.kept) == 0 {
		return nil, nil
	}
	return &w.kept[0], nil
}

// Add keeps a sample, unless the newest is too young for another one.
func (w *window) Add(s gather.Sample, length time.Duration) error {
	if !w.full {
		return nil
	}
	if n := len(w.kept); n > 0 && s.Time.Sub(w.kept[n-1].Time) < gather.Spacing(length) {
		return nil
	}
	s.Totals = s.Totals.WithoutScripts() // 5 MB for 50,000
	w.kept = append(slices.Clone(w.kept), s)
	return w.folder.Add(s, length)
}
