package gather

import (
	"fmt"
	"time"

	"relink/internal/state"
	"relink/opcache/report"
)

const (
	sampleVersion = 1
	// samplesPerWindow spaces the samples out: a page that asks each second must
	// not write a file each second.
	samplesPerWindow = 15
	keptSamples      = 4 * samplesPerWindow
)

// Sample is what has to be kept of one time to tell later what happened since.
type Sample struct {
	Version int                     `json:"version"`
	Time    time.Time               `json:"time"`
	Caches  report.Totals           `json:"caches"`
	Starts  map[string]time.Time    `json:"starts"` // of each master's OPcache, by name
	Pools   map[string]PoolCounters `json:"pools"`  // by address
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

// Folder keeps samples as files. Any number of processes may use it at the same time.
type Folder string

// samples passes over those that another version wrote and those that are not from
// before now: the clock was wrong.
func (f Folder) samples(now time.Time) state.Samples[Sample] {
	return state.Samples[Sample]{Dir: string(f), Kept: keptSamples, Check: func(s Sample) error {
		if s.Version != sampleVersion || !s.Time.Before(now) {
			return fmt.Errorf("sample of version %d from %s", s.Version, s.Time)
		}
		return nil
	}}
}

// Before reads the sample that a window begins with. One that cannot be read is
// passed over for its neighbour: it only makes the window longer or shorter.
func (f Folder) Before(now time.Time, window time.Duration) (*Sample, error) {
	return f.samples(now).Around(now.Add(-window))
}

// Add keeps a sample, unless the newest is too young for another one.
func (f Folder) Add(s Sample, window time.Duration) error {
	s.Version = sampleVersion
	return f.samples(s.Time).Add(s.Time, s, window/samplesPerWindow)
}
