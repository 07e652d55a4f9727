package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/internal/bounded"
)

type sample struct {
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	Note    string    `json:"note,omitempty"`
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func samplesIn(dir string) Samples[sample] {
	return Samples[sample]{Dir: dir, Kept: 10, Check: func(s sample) error {
		if s.Version != 1 {
			return fmt.Errorf("version %d", s.Version)
		}
		return nil
	}}
}

func TestSamplesAreBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "samples")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "note.json"), nil, 0o644))
	s := samplesIn(dir)
	for i := range 15 {
		at := noon.Add(time.Duration(i) * time.Millisecond)
		must(t, s.Add(at, sample{Version: 1, Time: at}, 0))
	}
	names, err := s.names()
	must(t, err)
	if len(names) != 10 || names[0] != noon.Add(5*time.Millisecond).Format(sampleName) {
		t.Errorf("%d samples, the oldest is %s", len(names), names[0])
	}
	if _, err := os.Stat(filepath.Join(dir, "note.json")); err != nil {
		t.Errorf("what is no sample was removed: %v", err)
	}
	large := sample{Version: 1, Note: string(bytes.Repeat([]byte("x"), maxSample))}
	if err := s.Add(noon.Add(time.Hour), large, 0); !errors.Is(err, bounded.ErrTooLarge) {
		t.Errorf("a sample of 4 MB: %v", err)
	}
}

func TestSamplesAroundATime(t *testing.T) {
	s := samplesIn(t.TempDir())
	for _, minute := range []time.Duration{0, 10, 11, 20} {
		at := noon.Add(minute * time.Minute)
		must(t, s.Add(at, sample{Version: 1, Time: at}, 5*time.Minute)) // not the one at 11
	}
	for i, content := range []string{"", "{", "null", `{"version": 2}`, `[]`} { // damaged, or another version's
		at := noon.Add(15*time.Minute + time.Duration(i)*time.Second)
		must(t, os.WriteFile(filepath.Join(s.Dir, at.Format(sampleName)), []byte(content), 0o644))
	}
	for _, c := range []struct{ at, upto, around time.Duration }{
		{-1, -1, 0}, {0, 0, 0}, {9, 0, 0}, {10, 10, 10}, {16, 10, 10}, {99, 20, 20},
	} {
		at := noon.Add(c.at * time.Minute)
		upto, err := s.Upto(at)
		must(t, err)
		around, err := s.Around(at)
		must(t, err)
		if c.upto < 0 != (upto == nil) || upto != nil && !upto.Time.Equal(noon.Add(c.upto*time.Minute)) {
			t.Errorf("up to minute %d: %v", c.at, upto)
		}
		if around == nil || !around.Time.Equal(noon.Add(c.around*time.Minute)) {
			t.Errorf("around minute %d: %v", c.at, around)
		}
	}
}

func TestASampleOfTheFutureDoesNotStopSampling(t *testing.T) {
	s := samplesIn(t.TempDir())
	for _, at := range []time.Time{noon.Add(48 * time.Hour), noon} {
		must(t, s.Add(at, sample{Version: 1, Time: at}, time.Hour))
	}
	if got, err := s.Upto(noon); err != nil || got == nil || !got.Time.Equal(noon) {
		t.Errorf("%v %v", got, err)
	}
}

func TestNoSamplesYet(t *testing.T) {
	s := samplesIn(filepath.Join(t.TempDir(), "missing"))
	if got, err := s.Around(noon); got != nil || err != nil {
		t.Error(got, err)
	}
}
