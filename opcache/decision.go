package opcache

import "fmt"

// Action is what a decision asks for.
type Action string

// The actions, from nothing to a restart of the cache.
const (
	None  Action = "none"
	Reset Action = "reset" // opcache_reset(), when it is quiet
)

// Thresholds bound what is tolerated before a restart is worth its cost.
type Thresholds struct {
	FreeBytes int64   // memory that has to stay free beside the next release
	Keys      float64 // ratio of max_cached_keys in use, 0..1
	Waste     float64 // ratio of the memory that is wasted, 0..1
}

// Forecast is what the next release will need: as much as the one that is live.
type Forecast struct {
	Bytes int64
	Keys  int64
}

// Decision is an action with its reasons; no restart has reasons too.
type Decision struct {
	Action  Action
	Reasons []string
}

// Decide tells whether the cache has to be restarted. A restart costs every
// site a cold cache, and frees only what is wasted: so it is asked for only
// when a bound is crossed and wasted memory or dead keys are there to be freed.
func Decide(f Figures, next Forecast, t Thresholds) Decision {
	var crossed []string
	if f.Full {
		crossed = append(crossed, "the cache is full: scripts run uncached")
	}
	if need := next.Bytes + t.FreeBytes; f.FreeBytes < need {
		crossed = append(crossed, fmt.Sprintf("%s free, the next release and its reserve need %s", megabytes(f.FreeBytes), megabytes(need)))
	}
	if after := ratio(f.Keys+next.Keys, f.MaxKeys); after > t.Keys {
		crossed = append(crossed, fmt.Sprintf("%d of %d keys used and the next release needs %d: %.0f %%, bound %.0f %%",
			f.Keys, f.MaxKeys, next.Keys, 100*after, 100*t.Keys))
	}
	switch {
	case len(crossed) == 0:
		return Decision{None, []string{fmt.Sprintf("%s free, the next release and its reserve need %s; %d of %d keys used; %.0f %% wasted",
			megabytes(f.FreeBytes), megabytes(next.Bytes+t.FreeBytes), f.Keys, f.MaxKeys, 100*f.Wasted)}}
	case f.Pending:
		return Decision{None, append(crossed, "a restart is already pending")}
	case f.Wasted < t.Waste:
		return Decision{None, append(crossed, fmt.Sprintf(
			"a restart would free only the %.0f %% that are wasted (bound %.0f %%): raise opcache.memory_consumption or opcache.max_accelerated_files",
			100*f.Wasted, 100*t.Waste))}
	}
	return Decision{Reset, append(crossed, fmt.Sprintf("a restart frees the %s that are wasted", megabytes(f.WastedBytes)))}
}

// lacks tells what is missing for the forecast to fit now, or "".
func (n Forecast) lacks(f Figures) string {
	switch {
	case f.Full:
		return "the cache is full"
	case f.FreeBytes < n.Bytes:
		return fmt.Sprintf("%s free, the new release needs %s", megabytes(f.FreeBytes), megabytes(n.Bytes))
	case f.Keys+n.Keys > f.MaxKeys:
		return fmt.Sprintf("%d of %d keys used, the new release needs %d", f.Keys, f.MaxKeys, n.Keys)
	}
	return ""
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
