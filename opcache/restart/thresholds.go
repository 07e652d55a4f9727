package restart

// Thresholds bound what is tolerated before a restart is worth its cost. The
// defaults are the configuration's; docs/configuration.md tells why.
type Thresholds struct {
	FreeBytes       int64   // memory that has to stay free beside the next release
	Keys            float64 // ratio of max_cached_keys in use, at most
	Waste           float64 // ratio of the memory that a restart would free: past it a restart is worth its cost, where memory or keys are short
	Strings         float64 // ratio of the interned strings buffer in use, at most
	JIT             float64 // ratio of the JIT buffer in use, at most
	HitRate         float64 // ratio of hits in a window, at least
	HitRateRequests int64   // look-ups in a window for its ratio to count
}

// Forecast is what a release will need in the cache.
type Forecast struct {
	Bytes int64
	Keys  int64
}
