package health

import (
	"time"

	"relink/deploy/fleet"
	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/outcome"
	"relink/deploy/release"
	"relink/deploy/status"
	"relink/fcgi"
	"relink/internal/links"
	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
	"relink/php/probe"
)

// Facts are what was seen at one time. What could not be read is an error
// beside the rest, never a missing entry.
type Facts struct {
	Time time.Time
	Took time.Duration

	Discovery error // why the pools of the running FPM masters could not be listed, or not all
	Cheap     bool  // only what costs little was looked at
	Samples   error // why no earlier sample could be read, or this one not be kept

	Pools       []Pool
	Masters     []Master
	Apps        []App
	FileSystems []FileSystem
	Report      *report.Report // the caches' figures; those of Masters are in it
	Fleet       *Fleet         // nil: this host is by itself
}

// Fleet is what the hosts of the fleet say of themselves.
type Fleet struct {
	Host    string           // this one
	Err     error            // why etcd does not tell; the rest is what it told last
	Time    time.Time        // when it told; zero: never
	Steward string           // the host that decides; "" for none
	Apps    []fleet.Overview // of all hosts
}

// Pool is one FastCGI address, or the PHP inside of one Apache.
type Pool struct {
	Address string
	Err     error // why it does not answer
	Latency time.Duration

	Status     *fcgi.PoolStatus // nil: see StatusErr
	StatusErr  error
	Queue      *int64 // connections that wait; nil where it cannot be known
	Growth     *PoolGrowth
	AgentErr   error // why the agent cannot work in a pool that answers
	Configured bool  // named in the configuration, not found

	// Apache: PHP runs inside of Apache (mod_php), and has nothing of PHP-FPM's.
	Apache    bool
	Processes []int // of that Apache, that take requests; nil where this machine does not show them
}

// Workers counts the pool's, none where there is no status page.
func (p *Pool) Workers() (idle, active int64) {
	if p.Status == nil {
		return 0, 0
	}
	for _, w := range p.Status.Processes {
		if w.State == fcgi.StateIdle {
			idle++
		}
	}
	return idle, int64(len(p.Status.Processes)) - idle
}

// PoolGrowth is how counters of FPM grew since an earlier sample.
type PoolGrowth struct {
	Since        time.Time
	MaxChildren  int64
	SlowRequests int64
}

// Master is one OPcache and the FPM master, or the Apache, that owns it.
type Master struct {
	report.MasterReport
	Err           error // MasterReport.Error with its hint; nothing else is known then
	Apache        bool  // it is part of Apache (mod_php)
	Configuration php.Configuration
	RealpathCache int64 // bytes, the largest of the workers that answered
	FileCache     string
	Preload       string // real path as the host sees it; "" without

	// ControlTimeout is process_control_timeout; nil: see ControlErr.
	ControlTimeout *time.Duration
	ControlErr     error
	// Xdebug tells whether the extension is in the workers' memory; nil: see XdebugErr.
	Xdebug    *bool
	XdebugErr error

	Restarted *RestartGrowth // nil: no earlier sample
}

// RestartGrowth counts restarts of one OPcache since an earlier sample.
type RestartGrowth struct {
	Since             time.Time
	OOM, Hash, Manual int64
	Process           bool // the FPM master, or Apache, was started or reloaded
}

// App is one application.
type App struct {
	Name      string
	Pools     []string // addresses; none: all
	Releases  string   // real folder
	Instances []Instance
	InUse     links.InUse // what links lead to, those of no instance too

	Pending   *status.Pending // a deploy that is under way, was interrupted or is not settled
	Locked    *lock.Holder    // who deploys now
	Last      *journal.Event  // the last deploy or rollback that ended
	DeployErr error

	Prunable   []outcome.PrunedRelease // what a prune would remove now
	ReleaseErr error

	Fronts   []Front      // none where nobody has said how the sites are asked
	FrontErr error        // why none was asked
	Old      []OldRelease // of which a cache holds live scripts though no link leads there
	CacheErr error        // why Old is not complete
}

// Instance is one link.
type Instance struct {
	Name    string
	Link    string
	Kind    links.Kind
	Literal string
	Real    string          // the folder that it leads to
	Release string          // id, or the folder where it is no release
	Changed time.Time       // when the link was made
	Known   release.Release // of a release: its manifest and marks
	Inside  bool            // the folder lies in a release of the application
	Docroot error           // why the document root below the link cannot be served
	Err     error           // why the link cannot be read
	Fixed   error           // why no deploy, whoever runs it, can make or move the link
}

// Front is what an instance's own web server answered to the probe.
type Front struct {
	Instance string
	SetUp    opcache.Addressing
	Release  string // that serves; the folder of the probe where it lies in no release
	Wanted   string // that the link leads to
	Answer   probe.Answer
	Strange  bool  // by a PHP that no pool leads to
	Err      error // why it could not be asked
}

// OldRelease is a release that no link leads to and a cache still holds.
type OldRelease struct {
	Master   string
	Release  string
	Scripts  int64     // live
	LastUsed time.Time // of those that were hit since they were compiled
}

// FileSystem is one that releases or state lie on.
type FileSystem struct {
	Path             string // the folder that it was asked for
	Err              error
	Bytes, FreeBytes int64 // for an unprivileged writer
	Inodes, Free     int64 // both 0 where it makes inodes as it needs them
	MinFree          int64 // bytes that a deploy leaves free
}
