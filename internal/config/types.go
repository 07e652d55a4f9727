// Package config reads relink's configuration: strict YAML, defaults, and
// checks that name file, line, key and cure.
package config

import "time"

// Config is a valid configuration with all defaults filled in. Paths are
// absolute and clean; sizes are bytes; ratios are 0..1.
type Config struct {
	Path       string // the file it came from
	StateDir   string // locks, journals and history
	Reset      string // ResetSmart, ResetAlways or ResetNever
	Stale      string // StaleEnd or StaleReport
	Apps       []App  // in the file's order
	Pools      []Pool // none: the pools of the FPM masters that run
	NoPools    bool   // PHP-FPM is not to be looked for
	Apache     Apache
	Thresholds Thresholds
	Restart    Restart
	Warm       Warm
	Health     Health
	Serve      Serve
	Timeouts   Timeouts
}

// What a deploy does about OPcache when the command line does not say.
const (
	ResetSmart  = "smart"  // cut over without a restart; restart only for memory
	ResetAlways = "always" // restart after every deploy
	ResetNever  = "never"  // move the links only, and warn of what stays stale
)

// What is done about a worker that is in one request for longer than
// Timeouts.Settle after the cut-over.
const (
	StaleEnd    = "end"    // it ends when it has answered, and FPM starts another
	StaleReport = "report" // it is named, and nothing is done
)

// App is one code base with its releases and the instances that share them.
type App struct {
	Name          string
	Source        Source
	Releases      string // folder of the releases
	Keep          int    // releases kept besides the live ones
	MinFree       int64  // bytes that must stay free beside a new release
	LinkTarget    string // folder inside a release that a link points at
	Docroot       string // what the web server serves, relative to the link
	Instances     []Instance
	InstancesFrom *InstancesFrom
	Check         *Check   // of every instance without its own
	Probe         Probe    // of every instance without its own
	Map           string   // Apache's RewriteMap from instances and hosts to releases; "": none
	Shared        []string // paths linked into each release
	SharedDir     string   // where they live
	Assets        []string // folders of each release whose files pages name
	Hooks         Hooks
	Pools         []string // addresses of the pools that serve it; none: all
}

// Source is where releases come from. The location of a folder or archive may hold
// Placeholder, which the REF of a deploy replaces.
type Source struct {
	Kind       string // git, dir or archive
	Location   string
	Submodules bool // of a git source
}

// Placeholder stands for the REF of a deploy in Source.Location.
const Placeholder = "{ref}"

// InstancePlaceholder stands for an instance's name in App.Check.
const InstancePlaceholder = "{instance}"

// Instance is one site: a named symbolic link to a release.
type Instance struct {
	Name, Link string
	Check      *Check // none: nobody has said how the site is asked
	Probe      Probe
	Found      bool // by App.InstancesFrom, not listed
}

// Checked tells whether the instance has a request that proves that it serves.
func (i Instance) Checked() bool { return i.Check != nil && !i.Check.Off }

// InstancesFrom finds instances: what * matches in Pattern is the name.
type InstancesFrom struct {
	Pattern string   // absolute, with one *
	Except  []string // names that are not instances
}

// Check is the request that proves that an instance serves after a switch.
type Check struct {
	Off       bool   // the site is not asked at all
	URL, Host string // Host is sent instead of the URL's, unless empty
	Status    int
	Contains  string // text that the body must hold, unless empty
	Timeout   time.Duration
}

// Probe is how an instance's own web server is asked which PHP serves it; without a
// URL, nobody has said how.
type Probe struct {
	Off       bool   // it is not asked, and no release holds the probe for it
	URL, Host string // URL of the document root; "" where nobody has said how it is asked
}

// Hooks are shell commands around the switch.
type Hooks struct {
	Build        []string      // in the new release, before it is sealed
	BeforeSwitch []string      // in the new release; failing, nothing is moved
	AfterSwitch  []string      // in the new release; failing, the deploy is live all the same
	Timeout      time.Duration // of each command
}

// Pool is one PHP-FPM pool, as relink and as the pool itself see it.
type Pool struct {
	Address    string        // unix:/run/x.sock or tcp:host:port
	StatusPath string        // pm.status_path
	AgentDir   string        // where the pool can read the agent
	PathMap    []PathMapping // for chroots and containers
	Command    []string      // reloads the pool's master when relink cannot signal it
}

// PathMapping says that the folder Host is called Pool inside a pool.
type PathMapping struct{ Host, Pool string }

// Apache is how the web server is controlled and asked.
type Apache struct {
	Control  string
	Status   string // URL of its server status; "": the usual places
	AgentDir string // where PHP inside of Apache (mod_php) can read the agent
}

// Thresholds are the bounds past which OPcache's memory asks for a restart.
type Thresholds struct {
	Waste           float64 // ratio of the memory that a restart would free: past it a restart is worth its cost, where memory or keys are short
	FreeBytes       int64   // memory that has to stay free beside the next release
	Keys            float64 // ratio of max_cached_keys in use, at most
	Strings         float64 // ratio of the interned strings buffer in use, at most
	JIT             float64 // ratio of the JIT buffer in use, at most
	HitRate         float64 // ratio of hits between two samples, at least
	HitRateRequests int64   // requests between them, for the ratio to count
}

// Ways to empty OPcache.
const (
	MethodAuto    = "auto"    // fpm where that loses no request and is permitted, else reset
	MethodOPcache = "opcache" // opcache_reset()
	MethodFPM     = "fpm"     // reload the FPM master (SIGUSR2)
	MethodApache  = "apache"  // graceful restart, for mod_php
)

// Restart is how and when OPcache is emptied once a threshold asks for it.
type Restart struct {
	Method string        // MethodAuto, MethodOPcache, MethodFPM or MethodApache
	Wait   time.Duration // for a quiet moment, at most
	Quiet  time.Duration // age of the oldest request in flight, at most
}

// Warm paces the compilation of a new release before its switch.
type Warm struct {
	Workers int           // of one pool that compile at the same time
	Slice   time.Duration // of work in one request
	Pause   time.Duration // between two of them
}

// Health bounds what "relink health" finds in order.
type Health struct {
	Timeout time.Duration // for all that is asked of one pool
	Window  time.Duration // counters are judged by their growth in it
	Skip    []string      // checks that are not made

	Bounds map[string]Bounds // by the keys of the table bounds
}

// Bounds are where a figure begins to be a WARNING and to be CRITICAL. A figure
// that equals a bound is still within it. Durations are in seconds.
type Bounds struct{ Warning, Critical float64 }

// Serve is how "relink serve" listens and looks. Paths are "" where not given.
type Serve struct {
	Listen    string        // 127.0.0.1:9155, [::1]:9155 or unix:/path
	Interval  time.Duration // between two looks
	History   int64         // bytes that it may take on disk
	Restart   string        // ServePending or ServeNeeded
	TokenFile string        // holds the secret that every request must show
	TLS       ServeTLS
}

// What the service restarts, when it is quiet.
const (
	ServePending = "pending" // what a deploy, or "opcache reset", has left pending
	ServeNeeded  = "needed"  // also what the thresholds ask for at the moment
)

// ServeTLS are files in PEM form. Cert and Key come together.
type ServeTLS struct {
	Cert, Key string
	ClientCA  string // only clients with a certificate of it are answered
}

// Timeouts bound every wait.
type Timeouts struct {
	Call   time.Duration // one call of the agent
	Sweep  time.Duration // the cut-over waits this long for a worker that is inside a request
	Settle time.Duration // workers that were busy at the cut-over
	Hook   time.Duration // one hook, all its commands together
	Check  time.Duration // one check of an instance
	Fetch  time.Duration // one source
}
