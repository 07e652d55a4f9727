package report

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
)

const (
	totalsVersion = 1
	// keptTotals bounds the folder: a sample each quarter of an hour for a day.
	keptTotals = 96
	// maxTotalsBytes bounds one file: 1,000 releases take about 100 KB.
	maxTotalsBytes = 4 << 20
	// totalsName sorts by time, in UTC.
	totalsName = "20060102T150405.000000000Z.json"
)

// ErrTotals means that a sample is too large to be recorded.
var ErrTotals = errors.New("sample too large to be recorded")

// SaveTotals records t in dir, which it makes, and removes the oldest samples
// that are too many.
func SaveTotals(dir string, t Totals) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("record the sample in %s: %w", dir, err)
	}
	if len(data) > maxTotalsBytes {
		return fmt.Errorf("record the sample in %s: %w: %d bytes, at most %d", dir, ErrTotals, len(data), maxTotalsBytes)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("record the sample: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, t.Time.UTC().Format(totalsName)), data, 0o644); err != nil {
		return fmt.Errorf("record the sample: %w", err)
	}
	return forgetOldTotals(dir)
}

// LoadTotals reads the newest sample in dir that was taken before a time; nil if
// there is none. A sample that cannot be read is passed over for an older one:
// it only ever makes a window longer.
func LoadTotals(dir string, before time.Time) (*Totals, error) {
	names, err := recordedTotals(dir)
	if err != nil {
		return nil, err
	}
	limit := before.UTC().Format(totalsName)
	for _, name := range slices.Backward(names) {
		if name >= limit {
			continue
		}
		if t, err := readTotals(filepath.Join(dir, name)); err == nil {
			return t, nil
		}
	}
	return nil, nil
}

func readTotals(path string) (*Totals, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxTotalsBytes+1))
	if err != nil {
		return nil, err
	}
	return parseTotals(data)
}

func parseTotals(data []byte) (*Totals, error) {
	var t Totals
	if len(data) > maxTotalsBytes {
		return nil, ErrTotals
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, err
	}
	if t.Version != totalsVersion {
		return nil, fmt.Errorf("sample of version %d, this is version %d", t.Version, totalsVersion)
	}
	return &t, nil
}

// recordedTotals lists the samples, oldest first.
func recordedTotals(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the recorded samples: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if _, err := time.Parse(totalsName, entry.Name()); err == nil {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func forgetOldTotals(dir string) error {
	names, err := recordedTotals(dir)
	if err != nil {
		return err
	}
	for len(names) > keptTotals {
		if err := os.Remove(filepath.Join(dir, names[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an old sample: %w", err)
		}
		names = names[1:]
	}
	return nil
}
