package php

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Status is what opcache_get_status(false) tells, by its names. One FPM master has one
// OPcache for all its pools, so pools of the same master give the same figures.
type Status struct {
	Worker            Worker     `json:"-"`
	Enabled           bool       `json:"opcache_enabled"` // false also while a restart is pending
	CacheFull         bool       `json:"cache_full"`
	RestartPending    bool       `json:"restart_pending"`
	RestartInProgress bool       `json:"restart_in_progress"`
	Memory            Memory     `json:"memory_usage"`
	Strings           Strings    `json:"interned_strings_usage"`
	Statistics        Statistics `json:"opcache_statistics"`
	JIT               JIT        `json:"jit"`
	Preload           Preload    `json:"preload_statistics"`
}

// Memory is OPcache's shared memory, in bytes. Wasted memory comes free only by
// a restart of the cache.
type Memory struct {
	Used   int64 `json:"used_memory"`
	Free   int64 `json:"free_memory"`
	Wasted int64 `json:"wasted_memory"`
}

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
type Strings struct {
	Size  int64 `json:"buffer_size"`
	Used  int64 `json:"used_memory"`
	Free  int64 `json:"free_memory"`
	Count int64 `json:"number_of_strings"`
}

// Statistics are counted since the last restart of the cache, the restarts since
// the start of the master.
type Statistics struct {
	CachedScripts  int64     `json:"num_cached_scripts"`
	CachedKeys     int64     `json:"num_cached_keys"`
	MaxCachedKeys  int64     `json:"max_cached_keys"`
	Hits           int64     `json:"hits"`
	Misses         int64     `json:"misses"`
	OOMRestarts    int64     `json:"oom_restarts"`
	HashRestarts   int64     `json:"hash_restarts"`
	ManualRestarts int64     `json:"manual_restarts"`
	StartTime      time.Time `json:"-"`
	LastRestart    time.Time `json:"-"` // zero if there was none
}

// UnmarshalJSON reads the times from PHP's seconds.
func (s *Statistics) UnmarshalJSON(data []byte) error {
	type counters Statistics // without this method
	wire := struct {
		*counters
		Start int64 `json:"start_time"`
		Last  int64 `json:"last_restart_time"`
	}{counters: (*counters)(s)}
	err := json.Unmarshal(data, &wire)
	s.StartTime, s.LastRestart = unixTime(wire.Start), unixTime(wire.Last)
	return err
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
	On         bool  `json:"on"`
	BufferSize int64 `json:"buffer_size"`
	BufferFree int64 `json:"buffer_free"`
}

// Preload is what opcache.preload has loaded; all empty without it.
type Preload struct {
	Memory    int64 `json:"memory_consumption"` // bytes
	Functions paths `json:"functions"`
	Classes   paths `json:"classes"`
	Scripts   paths `json:"scripts"` // also "$PRELOAD$", which is none
}

// Status reads the figures of the pool's OPcache. An answer of more than 1 MiB is
// fcgi.ErrTooLarge.
func (a *Agent) Status(ctx context.Context) (status Status, err error) {
	status.Worker, err = a.call(ctx, opStatus, nil, &status)
	return status, err
}

// Preloaded lists the scripts that opcache.preload has loaded, by real path. An answer of
// more than 1 MiB is fcgi.ErrTooLarge.
func (a *Agent) Preloaded(ctx context.Context) ([]string, error) {
	status, err := a.Status(ctx)
	return slices.DeleteFunc(status.Preload.Scripts, func(path string) bool { return !strings.HasPrefix(path, "/") }), err
}

// unixTime keeps PHP's 0 for "never" the zero time.
func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// Reset asks OPcache to restart: for all pools of the master, all scripts.
// opcache_reset only schedules: the restart happens when no worker is inside a
// request, and is done when RestartPending is false and Statistics.LastRestart is
// later than before. An answer of more than 1 MiB is fcgi.ErrTooLarge.
func (a *Agent) Reset(ctx context.Context) error {
	_, err := a.call(ctx, opReset, nil, nil)
	return err
}

// Configuration is what decides how the pool's PHP caches code and paths.
type Configuration struct {
	Worker Worker

	ValidateTimestamps    bool
	RevalidatePath        bool
	FileUpdateProtection  time.Duration
	MemoryConsumption     int64 // bytes
	InternedStringsBuffer int64 // bytes
	MaxAcceleratedFiles   int64 // as configured; Statistics.MaxCachedKeys is the prime that is used
	JITMaxRootTraces      int64
	Preload, PreloadUser  string
	FileCache             string

	RealpathCacheSize int64 // bytes
	OpenBasedir       []string
	UserINI           string        // user_ini.filename; "": PHP reads no such files
	UserINITTL        time.Duration // how long a worker remembers one
	INI               INIFiles
}

// INIFiles are the settings that a pool's PHP has read.
type INIFiles struct {
	Loaded  string   // php.ini; "": none
	Scanned []string // further files, in order
}

// Configuration reads the pool's settings of OPcache and of the realpath cache. An answer
// of more than 1 MiB is fcgi.ErrTooLarge.
func (a *Agent) Configuration(ctx context.Context) (Configuration, error) {
	var wire struct {
		Directives directives `json:"directives"`
		Loaded     text       `json:"loaded"`
		Scanned    text       `json:"scanned"` // separated by commas and line ends
	}
	worker, err := a.call(ctx, opConfiguration, nil, &wire)
	d := wire.Directives
	return Configuration{
		Worker:                worker,
		ValidateTimestamps:    d["opcache.validate_timestamps"] == "1",
		RevalidatePath:        d["opcache.revalidate_path"] == "1",
		FileUpdateProtection:  d.seconds("opcache.file_update_protection"),
		MemoryConsumption:     d.bytes("opcache.memory_consumption"),
		InternedStringsBuffer: d.bytes("opcache.interned_strings_buffer") << 20, // the directive counts megabytes
		MaxAcceleratedFiles:   d.bytes("opcache.max_accelerated_files"),
		JITMaxRootTraces:      d.bytes("opcache.jit_max_root_traces"),
		Preload:               string(d["opcache.preload"]),
		PreloadUser:           string(d["opcache.preload_user"]),
		FileCache:             string(d["opcache.file_cache"]),
		RealpathCacheSize:     d.bytes("realpath_cache_size"),
		OpenBasedir:           split(string(d["open_basedir"]), ":"),
		UserINI:               string(d["user_ini.filename"]),
		UserINITTL:            d.seconds("user_ini.cache_ttl"),
		INI:                   INIFiles{Loaded: string(wire.Loaded), Scanned: split(string(wire.Scanned), ",")},
	}, err
}

// directives are settings as PHP gives them; booleans are "0" or "1".
type directives map[string]text

func (d directives) seconds(name string) time.Duration {
	return time.Duration(d.bytes(name)) * time.Second
}

// bytes reads a number with PHP's shorthand: K, M or G at the end; 0 where it is none.
func (d directives) bytes(name string) int64 {
	value, shift := strings.ToUpper(strings.TrimSpace(string(d[name]))), 0
	for i, unit := range []string{"K", "M", "G"} {
		if number, ok := strings.CutSuffix(value, unit); ok {
			value, shift = number, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		return 0
	}
	return n << shift
}

func split(list, separator string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
