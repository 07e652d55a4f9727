package health

import "time"

// Result is what one check says of one thing.
type Result struct {
	Check   string   `json:"check"`
	Subject string   `json:"subject"` // pool, application or folder
	State   State    `json:"state"`
	Message string   `json:"message"`           // one line
	Fix     string   `json:"fix,omitempty"`     // what to do, one sentence; "" where all is well
	Details []string `json:"details,omitempty"` // one line for each of what the message sums up
	Figures []Figure `json:"figures,omitempty"`
}

// Unit is that of a figure's value.
type Unit string

// The units of figures. A ratio is 0 to 1.
const (
	Count   Unit = "count"
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
	Ratio   Unit = "ratio"
)

// Figure is a measured value and where it would change the state.
type Figure struct {
	Name     string   `json:"name"`
	Value    float64  `json:"value"`
	Unit     Unit     `json:"unit"`
	Warning  *float64 `json:"warning,omitempty"` // past it, the state is WARNING; nil: no bound
	Critical *float64 `json:"critical,omitempty"`
	AtLeast  bool     `json:"at_least,omitempty"` // less than a bound is past it, not more
}

// Bounds are where a value begins to be a WARNING and to be CRITICAL, durations in
// seconds. A value that equals a bound is still within it.
type Bounds struct{ Warning, Critical float64 }

// atMost judges a value that must not be more than its bounds.
func (b Bounds) atMost(value float64) State {
	switch {
	case value > b.Critical:
		return Critical
	case value > b.Warning:
		return Warning
	}
	return OK
}

// atLeast judges a value that must not be less than its bounds.
func (b Bounds) atLeast(value float64) State {
	switch {
	case value < b.Critical:
		return Critical
	case value < b.Warning:
		return Warning
	}
	return OK
}

// crossed is the bound that a state is about.
func (b Bounds) crossed(s State) float64 {
	if s == Critical {
		return b.Critical
	}
	return b.Warning
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// figure is a value with its bounds.
func figure(name string, unit Unit, value float64, b Bounds) Figure {
	return Figure{Name: name, Value: value, Unit: unit, Warning: &b.Warning, Critical: &b.Critical}
}

func (f Figure) least() Figure {
	f.AtLeast = true
	return f
}

// Thresholds bound what is in order; docs/configuration.md has their meanings
// and defaults.
type Thresholds struct {
	Bounds map[string]Bounds // by the names that checks give

	FreeBytes       int64         // of OPcache: with as much free nothing is short, whatever the shares
	HitRateRequests int64         // look-ups in the window, for its hit rate to mean something
	Settle          time.Duration // how long a worker may be on an old release after a switch
	Window          time.Duration // how recent the use of an old release must be

	own Bounds // of the check that is made
}
