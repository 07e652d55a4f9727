package pace

import (
	"fmt"
	"strings"
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
	_, stalled := queued()
	return Pressure{time.Now(), stalled}
}

// Crowded tells whether tasks have waited for a quarter of the last ten seconds: at the
// begin of a command, what the server was like without it.
func Crowded() bool {
	share, _ := queued()
	return share > crowded
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

// queued is for how long some task has waited for a CPU: which share of the last ten
// seconds, and how long since the system was started; 0 where the kernel does not count
// that (CONFIG_PSI, psi=0), so that nothing is crowded.
func queued() (share float64, since time.Duration) {
	text, err := bounded.File("/proc/pressure/cpu", 4<<10)
	if err != nil {
		return 0, 0
	}
	return parseWaited(text)
}

// parseWaited reads the line "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", in percent
// and in microseconds.
func parseWaited(text []byte) (share float64, since time.Duration) {
	line, _, _ := strings.Cut(string(text), "\n")
	var percent, minute, minutes float64
	var µs int64
	if _, err := fmt.Sscanf(line, "some avg10=%f avg60=%f avg300=%f total=%d", &percent, &minute, &minutes, &µs); err != nil {
		return 0, 0
	}
	return percent / 100, time.Duration(µs) * time.Microsecond
}
