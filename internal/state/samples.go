package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"relink/internal/bounded"
	"relink/internal/durable"
)

const (
	// sampleName sorts by time, in UTC.
	sampleName = "20060102T150405.000000000Z.json"
	// maxSample bounds one file: 1,000 releases take about 100 KB.
	maxSample = 4 << 20
)

// Samples is a folder of files, one for each time something was measured. Any
// number of processes may use it at once: a file appears whole, and nobody
// rewrites one.
type Samples[T any] struct {
	Dir  string
	Kept int // files at most; the oldest go
	// Check refuses one of another version.
	Check func(T) error
}

// Add keeps a sample, unless the newest is younger than every, and removes the
// oldest that are too many. It makes the folder.
func (s Samples[T]) Add(at time.Time, sample T, every time.Duration) error {
	names, err := s.names()
	if err != nil || recent(names, at, every) {
		return err
	}
	if err := s.write(at.UTC().Format(sampleName), sample); err != nil {
		return fmt.Errorf("keep a sample in %s: %w", s.Dir, err)
	}
	for ; len(names) >= s.Kept; names = names[1:] {
		if err := os.Remove(filepath.Join(s.Dir, names[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
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

func (s Samples[T]) write(name string, sample T) error {
	data, err := json.Marshal(sample)
	if err != nil {
		return err
	}
	if len(data) > maxSample {
		return fmt.Errorf("%w: %d bytes, at most %d", bounded.ErrTooLarge, len(data), maxSample)
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(s.Dir, name), data, mode)
}

// Upto gives the newest sample of that time or before; nil for none. One that
// cannot be read or is larger than 4 MiB, which only ever makes a window longer, is
// passed over.
func (s Samples[T]) Upto(at time.Time) (*T, error) { return s.nearest(at, false) }

// Around gives the newest sample of that time or before, else the oldest after it. One that
// is larger than 4 MiB is passed over.
func (s Samples[T]) Around(at time.Time) (*T, error) { return s.nearest(at, true) }

func (s Samples[T]) nearest(at time.Time, orLater bool) (*T, error) {
	names, err := s.names()
	after, found := slices.BinarySearch(names, at.UTC().Format(sampleName))
	if found {
		after++
	}
	tried := slices.Clone(names[:after])
	slices.Reverse(tried)
	if orLater {
		tried = append(tried, names[after:]...)
	}
	for _, name := range tried {
		if sample, err := s.read(name); err == nil {
			return &sample, nil
		}
	}
	return nil, err
}

func (s Samples[T]) read(name string) (sample T, err error) {
	data, err := bounded.File(filepath.Join(s.Dir, name), maxSample)
	if err == nil {
		err = json.Unmarshal(data, &sample)
	}
	if err == nil {
		err = s.Check(sample)
	}
	return sample, err
}

// names lists the samples, oldest first.
func (s Samples[T]) names() ([]string, error) {
	entries, err := os.ReadDir(s.Dir) // sorted
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
	return names, nil
}
