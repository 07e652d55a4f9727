package gather

import (
	"time"

	"relink/internal/state"
	"relink/opcache/report"
)

const (
	// samplesPerWindow spaces the samples out: a page that asks each second must
	// not write a file each second.
	samplesPerWindow = 15
	keptSamples      = 4 * samplesPerWindow
)

// Sample is what has to be kept of one time to tell later what happened since.
type Sample struct {
	report.Totals
	Pools map[string]PoolCounters `json:"pools"` // by address
}

// PoolCounters are what FPM counts since the pool's start.
type PoolCounters struct {
	Started      time.Time `json:"started"`
	MaxChildren  int64     `json:"max_children"`
	SlowRequests int64     `json:"slow_requests"`
}

// Samples remembers samples between two times that facts are gathered.
type Samples interface {
	// Before gives the newest sample that is at least a window old, else the
	// oldest there is; nil for none.
	Before(now time.Time, window time.Duration) (*Sample, error)
	Add(s Sample, window time.Duration) error
}

// Folder keeps samples as files.
type Folder string

func (f Folder) samples() state.Samples[Sample] {
	return state.Samples[Sample]{Dir: string(f), Kept: keptSamples, Check: Sample.Check}
}

// Before reads the sample that a window begins with. One that cannot be read is
// passed over for its neighbour: it only makes the window longer or shorter. One of more
// than 4 MiB is not read.
func (f Folder) Before(now time.Time, window time.Duration) (*Sample, error) {
	s, err := f.samples().Around(now.Add(-window))
	if s != nil && !s.Time.Before(now) {
		s = nil
	}
	return s, err
}

// Add keeps a sample, unless the newest is too young for another one, and
// removes the oldest that are too many.
func (f Folder) Add(s Sample, window time.Duration) error {
	return f.samples().Add(s.Time, s, Spacing(window))
}

// Spacing is how far samples are apart at least.
func Spacing(window time.Duration) time.Duration { return window / samplesPerWindow }
