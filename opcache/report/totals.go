package report

import (
	"fmt"
	"slices"
	"time"

	"relink/internal/state"
)

// Totals are the counters of a sample: what has to be kept to tell later what
// happened in between.
type Totals struct {
	Version int            `json:"version"`
	Time    time.Time      `json:"time"`
	Masters []MasterTotals `json:"masters"`
}

// MasterTotals are the counters of one OPcache.
type MasterTotals struct {
	Name           string           `json:"name"`
	Pools          []string         `json:"pools"`
	Started        time.Time        `json:"started"`
	CountedSince   time.Time        `json:"counted_since"`
	Hits           int64            `json:"hits"`
	Misses         int64            `json:"misses"`
	OOMRestarts    int64            `json:"oom_restarts"`
	HashRestarts   int64            `json:"hash_restarts"`
	ManualRestarts int64            `json:"manual_restarts"`
	Releases       map[string]int64 `json:"releases"` // hits by the release's real folder

	// scripts are the hits by path. They are not recorded: for 50,000 scripts
	// they are 5 MB.
	scripts map[string]int64
}

// WithoutScripts is t as it is recorded.
func (t Totals) WithoutScripts() Totals {
	t.Masters = slices.Clone(t.Masters)
	for i := range t.Masters {
		t.Masters[i].scripts = nil
	}
	return t
}

// Totals counts a sample up. Two samples of one run keep the hits of each
// script too; recorded ones only those of each release.
func (s Sample) Totals(apps []Application) Totals {
	t := Totals{Version: totalsVersion, Time: s.Time}
	for _, m := range s.Masters {
		if m.Err == nil {
			t.Masters = append(t.Masters, m.totals(newPlaces(apps)))
		}
	}
	return t
}

func (m Master) totals(p *places) MasterTotals {
	s := m.Status.Statistics
	t := MasterTotals{
		Name: m.Name, Pools: m.Pools, Started: s.StartTime, CountedSince: s.CountedSince(),
		Hits: s.Hits, Misses: s.Misses,
		OOMRestarts: s.OOMRestarts, HashRestarts: s.HashRestarts, ManualRestarts: s.ManualRestarts,
		Releases: map[string]int64{}, scripts: make(map[string]int64, len(m.Scripts)),
	}
	for i := range m.Scripts {
		one := &m.Scripts[i]
		t.scripts[one.Path] = one.Hits
		if holder := p.of(one.Path); holder != nil {
			t.Releases[holder.folder] += one.Hits
		}
	}
	return t
}

// Of finds the counters of a cache. A cache is known again by its pools: the
// FPM master's pid changes with every restart of the service.
func (t *Totals) Of(m *Master) *MasterTotals {
	if t == nil {
		return nil
	}
	for i := range t.Masters {
		one := &t.Masters[i]
		if one.Name == m.Name || slices.ContainsFunc(m.Pools, func(pool string) bool { return slices.Contains(one.Pools, pool) }) {
			return one
		}
	}
	return nil
}

const (
	totalsVersion = 1
	// keptTotals bounds the folder: a sample each quarter of an hour for a day.
	keptTotals = 96
)

func totalsIn(dir string) state.Samples[Totals] {
	return state.Samples[Totals]{Dir: dir, Kept: keptTotals, Check: Totals.Check}
}

// Check refuses what another version has recorded.
func (t Totals) Check() error {
	if t.Version != totalsVersion {
		return fmt.Errorf("sample of version %d, this is version %d", t.Version, totalsVersion)
	}
	return nil
}

// SaveTotals records t in dir, which it makes, and removes the oldest samples
// that are too many.
func SaveTotals(dir string, t Totals) error { return totalsIn(dir).Add(t.Time, t, 0) }

// LoadTotals reads the newest sample in dir that was taken before a time; nil if
// there is none. One that is larger than 4 MiB is passed over.
func LoadTotals(dir string, before time.Time) (*Totals, error) {
	return totalsIn(dir).Upto(before.Add(-time.Nanosecond))
}
