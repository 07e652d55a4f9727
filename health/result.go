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

// number is a value that has bounds.
type number interface{ int | float64 | time.Duration }

// Bounds are where a value begins to be a WARNING and to be CRITICAL. A value
// that equals a bound is still within it.
type Bounds[T number] struct{ Warning, Critical T }

// atMost judges a value that must not be more than its bounds.
func (b Bounds[T]) atMost(value T) State {
	switch {
	case value > b.Critical:
		return Critical
	case value > b.Warning:
		return Warning
	}
	return OK
}

// atLeast judges a value that must not be less than its bounds.
func (b Bounds[T]) atLeast(value T) State {
	switch {
	case value < b.Critical:
		return Critical
	case value < b.Warning:
		return Warning
	}
	return OK
}

// crossed is the bound that a state is about.
func (b Bounds[T]) crossed(s State) T {
	if s == Critical {
		return b.Critical
	}
	return b.Warning
}

// figure is a value with its bounds, durations in seconds.
func figure[T number](name string, unit Unit, value T, b Bounds[T]) Figure {
	warning, critical := plain(b.Warning), plain(b.Critical)
	return Figure{Name: name, Value: plain(value), Unit: unit, Warning: &warning, Critical: &critical}
}

func plain[T number](value T) float64 {
	if d, ok := any(value).(time.Duration); ok {
		return d.Seconds()
	}
	return float64(value)
}

func (f Figure) least() Figure {
	f.AtLeast = true
	return f
}
