package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/internal/config"
	"relink/internal/ui"
)

// Result is what one check says of one thing.
type Result struct {
	Check   string   `json:"check"`             // its name
	Subject string   `json:"subject"`           // pool, application or folder
	State   State    `json:"state"`             // what it says
	Message string   `json:"message"`           // one line
	Fix     string   `json:"fix,omitempty"`     // what to do, one sentence; "" where all is well
	Details []string `json:"details,omitempty"` // one line for each of what the message sums up
	Blocks  bool     `json:"blocks,omitempty"`  // the next deploy fails, and changes nothing, until this is mended
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
	Name     string   `json:"name"`               // what was measured
	Value    float64  `json:"value"`              // in its unit
	Unit     Unit     `json:"unit"`               // of value, warning and critical
	Warning  *float64 `json:"warning,omitempty"`  // past it, the state is WARNING; nil: no bound
	Critical *float64 `json:"critical,omitempty"` // past it, the state is CRITICAL; nil: no bound
	AtLeast  bool     `json:"at_least,omitempty"` // less than a bound is past it, not more
}

// figure is a value that must not be more than its bounds. One that equals a bound is
// still within it.
func figure(name string, unit Unit, value float64, b config.Bounds) Figure {
	return Figure{Name: name, Value: value, Unit: unit, Warning: &b.Warning, Critical: &b.Critical}
}

// least makes it a value that must not be less.
func (f Figure) least() Figure {
	f.AtLeast = true
	return f
}

func (f Figure) isPast(bound float64) bool {
	if f.AtLeast {
		return f.Value < bound
	}
	return f.Value > bound
}

func (f Figure) state() State {
	switch {
	case f.isPast(*f.Critical):
		return Critical
	case f.isPast(*f.Warning):
		return Warning
	}
	return OK
}

// past says which bound a value is past: "more than 5 s"; "" where it is within them.
func (f Figure) past() string {
	bound := *f.Warning
	switch f.state() {
	case OK:
		return ""
	case Critical:
		bound = *f.Critical
	}
	text := fmt.Sprintf("%g", bound)
	switch f.Unit {
	case Seconds:
		text = ui.Duration(time.Duration(bound * float64(time.Second)))
	case Ratio:
		text = ui.Percent(bound)
	}
	if f.AtLeast {
		return "less than " + text
	}
	return "more than " + text
}

// judge is the result that a figure gives. The message goes on with the bound it is past.
func (f Figure) judge(message, fix string) Result {
	if past := f.past(); past != "" {
		message += ", " + past
	}
	return f.judgeAs(message, fix)
}

// judgeAs leaves the message as it is.
func (f Figure) judgeAs(message, fix string) Result {
	r := problem(f.state(), message, fix).with(f)
	if r.State == OK {
		r.Fix = ""
	}
	return r
}

// Thresholds bound what is in order; docs/configuration.md has their meanings
// and defaults.
type Thresholds struct {
	Bounds map[string]config.Bounds // by the names that checks give

	FreeBytes       int64         // of OPcache: with as much free nothing is short, whatever the shares
	HitRateRequests int64         // look-ups in the window, for its hit rate to mean something
	Settle          time.Duration // how long a worker may be on an old release after a switch
	Window          time.Duration // how recent the use of an old release must be

	own config.Bounds // of the check that is made
}

// Problems lists what is not OK, the most urgent first. Results that say the
// same of the same thing are one line: a pool that is down leaves twenty checks
// unknown.
func Problems(results []Result) []Result {
	var urgent []Result
	for _, r := range results {
		if r.State == OK {
			continue
		}
		same := slices.IndexFunc(urgent, func(o Result) bool {
			return r.State == o.State && r.Subject == o.Subject && r.Message == o.Message && r.Fix == o.Fix
		})
		if same >= 0 {
			urgent[same].Check += ", " + r.Check
			continue
		}
		urgent = append(urgent, r)
	}
	slices.SortStableFunc(urgent, func(a, b Result) int { return b.State.rank() - a.State.rank() })
	return urgent
}

// Counted is how many results there are in each state: "1 critical, 2 warnings,
// 31 ok".
func Counted(results []Result) string {
	var n [len(stateNames)]int
	for _, r := range results {
		n[r.State]++
	}
	var parts []string
	for _, s := range []State{Critical, Warning, Unknown} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], strings.ToLower(s.String())))
		}
	}
	return strings.Join(append(parts, fmt.Sprintf("%d ok", n[OK])), ", ")
}
