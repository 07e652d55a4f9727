// Package health checks pools, caches, links and releases, says what is wrong
// and how to mend it, and tells it to people, monitoring and metrics.
package health

import "fmt"

// State is a result in the monitoring plugins' words. Its value is the exit
// status of the plugin contract.
type State int

// The states, as the exit statuses that monitoring expects.
const (
	OK State = iota
	Warning
	Critical
	Unknown
)

var stateNames = [...]string{OK: "OK", Warning: "WARNING", Critical: "CRITICAL", Unknown: "UNKNOWN"}

func (s State) String() string { return stateNames[s] }

// MarshalText makes the name the JSON form.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the JSON form.
func (s *State) UnmarshalText(text []byte) error {
	for state, name := range stateNames {
		if name == string(text) {
			*s = State(state)
			return nil
		}
	}
	return fmt.Errorf("%q is no state", text)
}

// rank orders states by how urgent they are. UNKNOWN comes below WARNING, as in
// the monitoring plugins' own max_state_alt (lib/utils_base.c): what is known to
// be wrong must not hide behind what could not be asked.
func (s State) rank() int { return [...]int{OK: 0, Unknown: 1, Warning: 2, Critical: 3}[s] }

// Or is the more urgent of two.
func (s State) Or(other State) State {
	if other.rank() > s.rank() {
		return other
	}
	return s
}

// Worst is the state of the whole; OK where there is no result.
func Worst(results []Result) State {
	worst := OK
	for _, r := range results {
		worst = worst.Or(r.State)
	}
	return worst
}
