package health

import "time"

// Thresholds bound what is in order; docs/configuration.md has their meanings
// and defaults.
type Thresholds struct {
	Latency      Bounds[time.Duration]
	ListenQueue  Bounds[int]
	MaxChildren  Bounds[int]
	SlowRequests Bounds[int]
	Memory       Bounds[float64]
	Waste        Bounds[float64]
	Keys         Bounds[float64]
	Strings      Bounds[float64]
	JIT          Bounds[float64]
	Restarts     Bounds[int]
	Mixed        Bounds[time.Duration]
	Releases     Bounds[int]

	HitRate Bounds[float64] // at least, as those below
	Disk    Bounds[float64]
	Inodes  Bounds[float64]

	FreeBytes       int64         // of OPcache: with as much free nothing is short, whatever the shares
	HitRateRequests int64         // look-ups in the window, for its hit rate to mean something
	Settle          time.Duration // how long a worker may be on an old release after a switch
	Window          time.Duration // how recent the use of an old release must be
}
