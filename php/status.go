package php

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Status is what opcache_get_status(false) tells. One FPM master has one OPcache
// for all its pools, so pools of the same master give the same figures.
type Status struct {
	Worker            Worker
	Enabled           bool // false also while a restart is pending
	CacheFull         bool
	RestartPending    bool
	RestartInProgress bool
	Memory            Memory
	Strings           Strings
	Statistics        Statistics
	JIT               JIT
	Preload           Preload
}

// Memory is OPcache's shared memory, in bytes. Wasted memory comes free only by
// a restart of the cache.
type Memory struct{ Used, Free, Wasted int64 }

// Total is the size of the shared memory in bytes.
func (m Memory) Total() int64 { return m.Used + m.Free + m.Wasted }

// WastedRatio is the wasted part of the shared memory, 0 to 1.
func (m Memory) WastedRatio() float64 {
	if m.Total() == 0 {
		return 0
	}
	return float64(m.Wasted) / float64(m.Total())
}

// Strings is the interned strings buffer: bytes and the number of strings. All
// zero where opcache.interned_strings_buffer is 0.
type Strings struct{ Size, Used, Free, Count int64 }

// Statistics are counted since the last restart of the cache, the restarts since
// the start of the master.
type Statistics struct {
	CachedScripts, CachedKeys, MaxCachedKeys  int64
	Hits, Misses, BlacklistMisses             int64
	OOMRestarts, HashRestarts, ManualRestarts int64
	StartTime                                 time.Time
	LastRestart                               time.Time // zero if there was none
}

// CountedSince is when the counters began: with the last restart, else with the start.
func (s Statistics) CountedSince() time.Time {
	if s.LastRestart.After(s.StartTime) {
		return s.LastRestart
	}
	return s.StartTime
}

// HitRatio is hits by all requests, 0 to 1, over the cache's life; 1 before any request.
func (s Statistics) HitRatio() float64 {
	if s.Hits+s.Misses == 0 {
		return 1
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// JIT is the just-in-time compiler; all zero where it is not compiled in. Sizes in bytes.
type JIT struct {
	Enabled, On            bool
	BufferSize, BufferFree int64
}

// Preload counts what opcache.preload has loaded; all zero without it.
type Preload struct {
	Memory                      int64 // bytes
	Functions, Classes, Scripts int
}

// Status reads the figures of the pool's OPcache.
func (a *Agent) Status(ctx context.Context) (Status, error) {
	var out wireStatus
	worker, err := a.call(ctx, opStatus, nil, &out)
	if err != nil {
		return Status{Worker: worker}, err
	}
	return out.status(worker), nil
}

// Preloaded lists the scripts that opcache.preload has loaded, by real path.
func (a *Agent) Preloaded(ctx context.Context) ([]string, error) {
	var out wireStatus
	_, err := a.call(ctx, opStatus, nil, &out)
	return slices.DeleteFunc(out.Preload.Scripts, func(path string) bool { return !strings.HasPrefix(path, "/") }), err
}

// wireStatus has the names of opcache_get_status().
type wireStatus struct {
	Enabled           bool           `json:"opcache_enabled"`
	CacheFull         bool           `json:"cache_full"`
	RestartPending    bool           `json:"restart_pending"`
	RestartInProgress bool           `json:"restart_in_progress"`
	Memory            wireMemory     `json:"memory_usage"`
	Strings           wireStrings    `json:"interned_strings_usage"`
	Statistics        wireStatistics `json:"opcache_statistics"`
	JIT               wireJIT        `json:"jit"`
	Preload           wirePreload    `json:"preload_statistics"`
}

type wireMemory struct {
	Used   int64 `json:"used_memory"`
	Free   int64 `json:"free_memory"`
	Wasted int64 `json:"wasted_memory"`
}

type wireStrings struct {
	Size  int64 `json:"buffer_size"`
	Used  int64 `json:"used_memory"`
	Free  int64 `json:"free_memory"`
	Count int64 `json:"number_of_strings"`
}

type wireStatistics struct {
	CachedScripts   int64 `json:"num_cached_scripts"`
	CachedKeys      int64 `json:"num_cached_keys"`
	MaxCachedKeys   int64 `json:"max_cached_keys"`
	Hits            int64 `json:"hits"`
	Misses          int64 `json:"misses"`
	BlacklistMisses int64 `json:"blacklist_misses"`
	OOMRestarts     int64 `json:"oom_restarts"`
	HashRestarts    int64 `json:"hash_restarts"`
	ManualRestarts  int64 `json:"manual_restarts"`
	StartTime       int64 `json:"start_time"`
	LastRestart     int64 `json:"last_restart_time"`
}

type wireJIT struct {
	Enabled    bool  `json:"enabled"`
	On         bool  `json:"on"`
	BufferSize int64 `json:"buffer_size"`
	BufferFree int64 `json:"buffer_free"`
}

type wirePreload struct {
	Memory    int64 `json:"memory_consumption"`
	Functions paths `json:"functions"`
	Classes   paths `json:"classes"`
	Scripts   paths `json:"scripts"`
}

func (w wireStatus) status(worker Worker) Status {
	s := w.Statistics
	return Status{
		Worker: worker, Enabled: w.Enabled, CacheFull: w.CacheFull,
		RestartPending: w.RestartPending, RestartInProgress: w.RestartInProgress,
		Memory:  Memory(w.Memory),
		Strings: Strings(w.Strings),
		Statistics: Statistics{
			CachedScripts: s.CachedScripts, CachedKeys: s.CachedKeys, MaxCachedKeys: s.MaxCachedKeys,
			Hits: s.Hits, Misses: s.Misses, BlacklistMisses: s.BlacklistMisses,
			OOMRestarts: s.OOMRestarts, HashRestarts: s.HashRestarts, ManualRestarts: s.ManualRestarts,
			StartTime: unixTime(s.StartTime), LastRestart: unixTime(s.LastRestart),
		},
		JIT: JIT(w.JIT),
		Preload: Preload{Memory: w.Preload.Memory, Functions: len(w.Preload.Functions),
			Classes: len(w.Preload.Classes), Scripts: len(w.Preload.Scripts)},
	}
}

// unixTime keeps PHP's 0 for "never" the zero time.
func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// ResetResult tells what became of a request to restart the cache.
type ResetResult struct {
	Accepted bool // false: OPcache refused, for instance because a restart is pending already
	// Status is right after the call. opcache_reset only schedules: the restart
	// happens when no worker is inside a request, and is done when RestartPending
	// is false and Statistics.LastRestart is later than before.
	Status Status
}

// Reset asks OPcache to restart: for all pools of the master, all scripts.
func (a *Agent) Reset(ctx context.Context) (ResetResult, error) {
	var out struct {
		Accepted bool       `json:"accepted"`
		Status   wireStatus `json:"status"`
	}
	worker, err := a.call(ctx, opReset, nil, &out)
	if err != nil {
		return ResetResult{}, err
	}
	return ResetResult{Accepted: out.Accepted, Status: out.Status.status(worker)}, nil
}
