package pace

import (
	"bytes"
	"strconv"
	"time"

	"relink/internal/bounded"
)

// Pressure tells for how much of the time tasks have waited for a CPU (PSI).
type Pressure struct {
	at      time.Time
	stalled time.Duration
}

// Look begins a measurement.
func Look() Pressure {
	return Pressure{time.Now(), stalled()}
}

// crowded is the share of the time from which on a server counts as full: with some CPU
// free, tasks that wake up at the same moment wait for each other now and then.
const crowded = 0.25

// Crowded tells whether tasks have waited for a quarter of the time since, which is
// measured anew from now on.
func (p *Pressure) Crowded() bool {
	now := Look()
	took, waited := now.at.Sub(p.at), now.stalled-p.stalled
	*p = now
	return float64(waited) > crowded*float64(took)
}

// stalled is how long some task has waited for a CPU since the system was started; 0
// where the kernel does not count that (CONFIG_PSI, psi=0), so that nothing is crowded.
func stalled() time.Duration {
	text, err := bounded.File("/proc/pressure/cpu", 4<<10)
	if err != nil {
		return 0
	}
	return parseStalled(text)
}

// parseStalled reads the line "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", in
// microseconds.
func parseStalled(text []byte) time.Duration {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if _, total, found := bytes.Cut(line, []byte("total=")); found && bytes.HasPrefix(line, []byte("some ")) {
		if µs, err := strconv.ParseInt(string(total), 10, 64); err == nil {
			return time.Duration(µs) * time.Microsecond
		}
	}
	return 0
}
