package gather

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"relink/internal/durable"
	"relink/opcache/report"
)

const (
	sampleVersion = 1
	// sampleName sorts by time, in UTC.
	sampleName = "20060102T150405.000000000Z.json"
	// samplesPerWindow spaces the samples out: a page that asks each second must
	// not write a file each second.
	samplesPerWindow = 15
	keptSamples      = 4 * samplesPerWindow
	maxSampleBytes   = 4 << 20
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

// Folder keeps samples as files, one for each. Any number of processes may use
// it at the same time: a file appears whole, and nobody rewrites one.
type Folder string

// Before reads the sample that a window begins with. One that cannot be read is
// passed over for its neighbour: it only makes the window longer or shorter.
func (f Folder) Before(now time.Time, window time.Duration) (*Sample, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	first := now.Add(-window).UTC().Format(sampleName)
	old, _ := slices.BinarySearch(names, first)
	if old < len(names) && names[old] == first {
		old++
	}
	ordered := slices.Clone(names[:old])
	slices.Reverse(ordered)
	for _, name := range append(ordered, names[old:]...) {
		if s, err := readSample(filepath.Join(string(f), name)); err == nil && s.Time.Before(now) {
			return s, nil
		}
	}
	return nil, nil
}

// Add keeps a sample, unless the newest is too young for another one, and
// removes the oldest that are too many.
func (f Folder) Add(s Sample, window time.Duration) error {
	names, err := f.names()
	if err != nil {
		return err
	}
	if recent(names, s.Time, window/samplesPerWindow) {
		return nil
	}
	if err := f.write(s); err != nil {
		return fmt.Errorf("keep the sample: %w", err)
	}
	for ; len(names) >= keptSamples; names = names[1:] {
		if err := os.Remove(filepath.Join(string(f), names[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old sample: %w", err)
		}
	}
	return nil
}

// recent tells whether the newest sample is that young. One of the future, left
// by a clock that was wrong, is none.
func recent(names []string, now time.Time, age time.Duration) bool {
	if len(names) == 0 {
		return false
	}
	newest := names[len(names)-1]
	return newest > now.Add(-age).UTC().Format(sampleName) && newest <= now.UTC().Format(sampleName)
}

func (f Folder) write(s Sample) error {
	s.Version = sampleVersion
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(string(f), s.Time.UTC().Format(sampleName)), data, 0o644)
}

// names lists the samples, oldest first.
func (f Folder) names() ([]string, error) {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the samples: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if _, err := time.Parse(sampleName, entry.Name()); err == nil {
			names = append(names, entry.Name())
		}
	}
	return names, nil // os.ReadDir sorts
}

func readSample(path string) (*Sample, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSampleBytes))
	if err != nil {
		return nil, err
	}
	return parseSample(data)
}

func parseSample(data []byte) (*Sample, error) {
	var s Sample
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	if s.Version != sampleVersion {
		return nil, fmt.Errorf("sample of version %d, this is version %d", s.Version, sampleVersion)
	}
	return &s, nil
}
