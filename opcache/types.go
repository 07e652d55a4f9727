// Package opcache makes every PHP worker see the new target of links that move,
// without a restart: it knows links with their old and new targets, and nothing
// of how links are moved.
package opcache

import (
	"cmp"
	"time"

	"relink/internal/config"
)

// Link is one symbolic link whose target changes. From and To are real folders
// (no symlink in them) as the host sees them; From is "" when the link is new.
type Link struct {
	Name string // the instance
	Path string // where the link is
	From string
	To   string

	// FromRelease and ToRelease are the folders that hold From and To, where a
	// link leads into a release instead of to it. "" means From and To.
	FromRelease string
	ToRelease   string

	// Shared says that other links still lead to FromRelease, so that its memory is
	// not given back. Where literal paths are looked at (Keyed) they must not.
	Shared bool

	// OfOthers says that FromRelease holds releases of other applications: what is
	// cached below it is theirs.
	OfOthers bool
}

func (l Link) Moves() bool { return l.From != "" && l.From != l.To }

func (l Link) OldRelease() string { return cmp.Or(l.FromRelease, l.From) }
func (l Link) NewRelease() string { return cmp.Or(l.ToRelease, l.To) }

// Options bound and pace the work, as the configuration says: a zero is a zero.
type Options struct {
	Docroot  string // what the web server serves, relative to the link; "" or "." is the link itself
	Timeouts config.Timeouts
	Warm     config.Warm
	EndStale bool // have a worker that Settle cannot reach end with its request
}

// Progress is told how far a long step is. It may be called from several
// goroutines and may be nil.
type Progress func(done, total int)

func (p Progress) report(done, total int) {
	if p != nil {
		p(done, total)
	}
}

// Worker is a PHP-FPM worker process and what it is doing.
type Worker struct {
	Pool    string        `json:"pool"` // address
	PID     int           `json:"pid"`
	Request string        `json:"request,omitempty"` // "GET /export.php", when the status page tells
	Busy    time.Duration `json:"-"`                 // how long it has been inside that request
	Ends    bool          `json:"ends,omitempty"`    // it serves no page after that request
	Hidden  bool          `json:"hidden,omitempty"`  // this machine does not show its master: the pid may be one of a container
}

// SweepResult tells which workers dropped their realpath cache.
type SweepResult struct {
	Pools   int      `json:"pools"`
	Workers int      `json:"workers"` // swept, proven by pid
	Busy    []Worker `json:"busy"`    // inside a long request: left for Settle
	// Unproven are pools whose workers cannot be listed, so that nobody knows
	// whether all were reached.
	Unproven []string `json:"unproven"`
}

// FailedScript is a script that OPcache did not take, and why.
type FailedScript struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// WarmResult tells what was compiled before the switch.
type WarmResult struct {
	Scripts int            `json:"scripts"` // in the cache now, summed over the caches
	Cached  int            `json:"cached"`  // of these, that were there before, by the path that they have
	Failed  []FailedScript `json:"failed"`
	Absent  int            `json:"absent"`            // hot in the old release, not part of the new one
	Skipped string         `json:"skipped,omitempty"` // why nothing was compiled
}

// InvalidateResult tells what the cut-over did.
type InvalidateResult struct {
	Invalidated int            `json:"invalidated"`
	Failed      []FailedScript `json:"failed"`
	Last        time.Time      `json:"last"` // the moment after the last of it
}

// SettleResult tells what was left after the cut-over.
type SettleResult struct {
	Workers  int      `json:"workers"`  // proven to be past every request that began before the cut-over
	Regained int      `json:"regained"` // scripts of the old releases that had come back
	Stale    []Worker `json:"stale"`    // not reached in time: they may serve old code for new pages
	Unproven []string `json:"unproven"` // pools of which nobody knows whether all workers were reached
}

// RetireResult tells what was invalidated of releases that nobody uses.
type RetireResult struct {
	Invalidated int    `json:"invalidated"`
	Skipped     string `json:"skipped,omitempty"` // why nothing was retired
}

// Footprint is what the caches hold of one folder.
type Footprint struct {
	Scripts     int   `json:"scripts"` // live
	Bytes       int64 `json:"bytes"`   // of the live scripts
	DeadScripts int   `json:"dead_scripts"`
	DeadBytes   int64 `json:"dead_bytes"` // part of wasted memory until the next restart
}
