package opcache

import (
	"errors"
	"fmt"
)

// Thresholds bound what is tolerated before a restart is worth its cost.
// docs/configuration.md tells why the defaults are what they are.
type Thresholds struct {
	FreeBytes       int64   // memory that has to stay free beside the next release
	Keys            float64 // ratio of max_cached_keys in use, at most
	Waste           float64 // ratio of the memory that a restart would free, at most, where memory is short
	Strings         float64 // ratio of the interned strings buffer in use, at most
	JIT             float64 // ratio of the JIT buffer in use, at most
	HitRate         float64 // ratio of hits in a window, at least
	HitRateRequests int64   // look-ups in a window for its ratio to count
}

// DefaultThresholds are those of a configuration that says nothing else.
func DefaultThresholds() Thresholds {
	return Thresholds{FreeBytes: 16 << 20, Keys: 0.9, Waste: 0.2, Strings: 0.95, JIT: 0.95, HitRate: 0.9, HitRateRequests: 1000}
}

// Validate names every bound that makes no sense.
func (t Thresholds) Validate() error {
	var errs []error
	for _, one := range []struct {
		name  string
		value float64
	}{{"keys", t.Keys}, {"waste", t.Waste}, {"strings", t.Strings}, {"jit", t.JIT}, {"hit_rate", t.HitRate}} {
		if !(one.value >= 0 && one.value <= 1) {
			errs = append(errs, fmt.Errorf("thresholds.%s is %g: a ratio is from 0 to 1", one.name, one.value))
		}
	}
	if t.FreeBytes < 0 {
		errs = append(errs, fmt.Errorf("thresholds.free_bytes is %d: bytes cannot be negative", t.FreeBytes))
	}
	if t.HitRateRequests < 1 {
		errs = append(errs, fmt.Errorf("thresholds.hit_rate_requests is %d: a window needs a look-up at least", t.HitRateRequests))
	}
	return errors.Join(errs...)
}

// Forecast is what a release will need in the cache.
type Forecast struct {
	Bytes int64
	Keys  int64
}
