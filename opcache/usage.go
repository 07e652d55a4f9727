package opcache

import (
	"context"
	"time"

	"relink/php"
)

// Footprint is what the caches hold of one folder.
type Footprint struct {
	Scripts     int   `json:"scripts"`      // live
	Bytes       int64 `json:"bytes"`        // of the live scripts
	DeadScripts int   `json:"dead_scripts"` // invalidated, still listed
	DeadBytes   int64 `json:"dead_bytes"`   // part of wasted memory until the next restart
}

// Figures are what one OPcache, or several added up, say about themselves.
// Bytes are bytes of shared memory.
type Figures struct {
	UsedBytes   int64   `json:"used"`            // bytes, without what is wasted
	FreeBytes   int64   `json:"free"`            // bytes
	WastedBytes int64   `json:"wasted"`          // bytes of scripts that were invalidated
	Scripts     int64   `json:"scripts"`         // that it holds
	Keys        int64   `json:"keys"`            // in use
	MaxKeys     int64   `json:"max_keys"`        // that there are
	Hits        int64   `json:"hits"`            // look-ups that found their script, since the last restart
	Misses      int64   `json:"misses"`          // look-ups that did not
	Full        bool    `json:"cache_full"`      // OPcache takes no scripts any more
	Pending     bool    `json:"restart_pending"` // a restart waits for requests in flight
	Wasted      float64 `json:"wasted_ratio"`    // 0..1 of the whole memory
	StringsUsed int64   `json:"strings_used"`    // bytes of the interned strings buffer
	StringsSize int64   `json:"strings_size"`    // bytes of that buffer
	JITUsed     int64   `json:"jit_used"`        // bytes of the JIT buffer
	JITSize     int64   `json:"jit_size"`        // 0 where the JIT is off
	Preloaded   int     `json:"preloaded"`       // scripts that opcache.preload has loaded
	Restarts    int64   `json:"restarts"`        // of every kind, since the master's start
}

// Window is what OPcache was asked between two samples of its figures.
type Window struct {
	HitRate  float64 `json:"hit_rate"` // ratio
	Requests int64   `json:"requests"` // look-ups: hits and misses
}

// Since is the window from before to f. OPcache's own hit rate is over its whole
// life and hides a fall. A restart in between begins the counters anew.
func (f Figures) Since(before Figures) Window {
	hits, misses := f.Hits-before.Hits, f.Misses-before.Misses
	if f.Restarts != before.Restarts || hits < 0 || misses < 0 {
		hits, misses = f.Hits, f.Misses
	}
	return Window{HitRate: Ratio(hits, hits+misses), Requests: hits + misses}
}

// Usage is one OPcache with the pools that share it.
type Usage struct {
	Pools   []string  `json:"pools"`
	Started time.Time `json:"started"` // of the cache, or its last restart if later
	Apache  bool      `json:"apache"`  // it is part of Apache (mod_php)
	PID     int       `json:"pid"`     // of the FPM master or of Apache, where this machine sees it, else 0
	Figures
}

// Usage reads the figures of every cache.
func (c *Caches) Usage(ctx context.Context) ([]Usage, error) { return Each(ctx, c.All, c.UsageOf) }

// UsageOf reads the figures of one cache.
func (c *Caches) UsageOf(ctx context.Context, one *Cache) (Usage, error) {
	status, err := one.Status(ctx, c.Options.Timeouts.Call)
	if err != nil {
		return Usage{}, err
	}
	return Usage{Pools: one.Addresses(), Started: status.Statistics.CountedSince(), Apache: one.OfApache(), PID: one.Master(), Figures: FiguresOf(status)}, nil
}

func FiguresOf(s php.Status) Figures {
	return Figures{
		UsedBytes: s.Memory.Used, FreeBytes: s.Memory.Free, WastedBytes: s.Memory.Wasted, Wasted: s.Memory.WastedRatio(),
		Scripts: s.Statistics.CachedScripts, Keys: s.Statistics.CachedKeys, MaxKeys: s.Statistics.MaxCachedKeys,
		Hits: s.Statistics.Hits, Misses: s.Statistics.Misses, Full: s.CacheFull, Pending: s.RestartPending,
		StringsUsed: s.Strings.Used, StringsSize: s.Strings.Size, JITUsed: s.JIT.BufferSize - s.JIT.BufferFree, JITSize: s.JIT.BufferSize,
		Preloaded: len(s.Preload.Scripts), Restarts: restarts(s.Statistics),
	}
}

// restarts counts those that have happened; one that is pending does not count.
func restarts(s php.Statistics) int64 { return s.ManualRestarts + s.OOMRestarts + s.HashRestarts }

func (f Figures) Size() int64 { return f.UsedBytes + f.FreeBytes + f.WastedBytes }

func Ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Sum adds up the figures of several caches.
func Sum(usages []Usage) Figures {
	var sum Figures
	for _, u := range usages {
		sum.UsedBytes += u.UsedBytes
		sum.FreeBytes += u.FreeBytes
		sum.WastedBytes += u.WastedBytes
		sum.Scripts += u.Scripts
		sum.Keys += u.Keys
		sum.MaxKeys += u.MaxKeys
		sum.Hits += u.Hits
		sum.Misses += u.Misses
		sum.StringsUsed += u.StringsUsed
		sum.StringsSize += u.StringsSize
		sum.JITUsed += u.JITUsed
		sum.JITSize += u.JITSize
		sum.Preloaded += u.Preloaded
		sum.Restarts += u.Restarts
		sum.Full = sum.Full || u.Full
		sum.Pending = sum.Pending || u.Pending
	}
	sum.Wasted = Ratio(sum.WastedBytes, sum.Size())
	return sum
}

// Footprints tells what all caches together hold of each of the folders.
func (c *Caches) Footprints(ctx context.Context, folders []string) (map[string]Footprint, error) {
	all, err := Each(ctx, c.All, func(ctx context.Context, one *Cache) ([]php.Holding, error) {
		held, _, err := c.Holdings(ctx, one.Spaces[0], folders)
		return held, err
	})
	out := make(map[string]Footprint, len(folders))
	for _, held := range all {
		for i, h := range held {
			out[folders[i]] = out[folders[i]].Plus(h)
		}
	}
	return out, err
}

// Plus adds what one more cache holds.
func (f Footprint) Plus(h php.Holding) Footprint {
	return Footprint{
		Scripts: f.Scripts + int(h.Live), Bytes: f.Bytes + h.LiveBytes,
		DeadScripts: f.DeadScripts + int(h.Dead), DeadBytes: f.DeadBytes + h.DeadBytes,
	}
}

// Holdings adds up what one cache holds of folders, as the host sees them, and of all.
func (c *Caches) Holdings(ctx context.Context, one *KeySpace, folders []string) (each []php.Holding, all php.Holding, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Options.Timeouts.Call)
	defer cancel()
	seen := make([]string, len(folders))
	for i, folder := range folders {
		seen[i] = one.ToPool(folder)
	}
	return one.Agent().Holdings(ctx, seen)
}

// Saved is what sharing one release saves in memory: without it each instance
// would hold its own copy of the live bytes.
func Saved(instances int, f Footprint) int64 {
	return int64(max(instances-1, 0)) * f.Bytes
}
