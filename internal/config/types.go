// Package config reads relink's configuration: strict YAML, defaults, and
// checks that name file, line, key and cure.
package config

import "time"

// Config is a valid configuration with all defaults filled in. Paths are
// absolute and clean; sizes are bytes; ratios are 0..1.
//
// The tags of each field say how the file gives it: its key, the form of a text (forms)
// or the words among which it is one, the least and most of a number or duration, and the
// default, whose reasons stand in docs/configuration.md. A least duration of 1ms is the
// shortest time limit: below it every one has passed before anything could happen. "off"
// names the field that is set where the file says "off" in its place, "names" what the keys
// of a list of named things name, "of:all" what is one for all instances.
type Config struct {
	Path       string     // the file it came from
	StateDir   string     `key:"state_dir" form:"absolute" default:"/var/lib/relink/state"` // locks, journals and history
	Reset      string     `key:"reset" among:"smart always never" default:"smart"`          // what a deploy does about OPcache when the command line does not say
	APCu       string     `key:"apcu" among:"keep clear" default:"keep"`                    // whether a deploy clears APCu with its cut-over when the command line does not say: APCuClear, or "keep"
	Stale      string     `key:"stale_workers" among:"end report" default:"end"`            // what is done about a worker that is in one request for longer than timeouts.settle: StaleEnd, or "report"
	Apps       []App      `key:"apps" names:"an application"`                               // the code bases that relink deploys, in the file's order
	Pools      []Pool     `key:"pools" off:"NoPools"`                                       // none: the pools of the FPM masters that run
	NoPools    bool       // PHP-FPM is not to be looked for
	Apache     Apache     `key:"apache"`
	Thresholds Thresholds `key:"thresholds"`
	Restart    Restart    `key:"restart"`
	Warm       Warm       `key:"warm"`
	Health     Health     `key:"health"`
	Serve      Serve      `key:"serve"`
	Fleet      *Fleet     `key:"fleet"` // nil: this host is by itself
	Timeouts   Timeouts   `key:"timeouts"`
}

// StaleEnd has a worker that is in one request for longer than Timeouts.Settle after the
// cut-over end when it has answered, and FPM starts another. Else it is only named.
const StaleEnd = "end"

// APCuClear has each deploy clear APCu, the user cache beside OPcache, with its cut-over.
const APCuClear = "clear"

// PriorityNormal has the build hooks compete with the visitors for the CPUs.
const PriorityNormal = "normal"

// App is one code base with its releases and the instances that share them.
type App struct {
	Name          string
	Source        Source         `key:"source"`
	Releases      string         `key:"releases" form:"absolute"`                // folder of the releases
	Keep          int            `key:"keep" least:"0" most:"1000" default:"3"`  // releases kept besides the live ones
	MinFree       int64          `key:"min_free" form:"size" default:"100MB"`    // bytes that must stay free beside a new release
	LinkTarget    string         `key:"link_target" form:"relative" default:"."` // folder inside a release that a link points at
	Docroot       string         `key:"docroot" form:"relative" default:"."`     // what the web server serves, relative to the link
	Instances     []Instance     `key:"instances" names:"an instance"`
	InstancesFrom *InstancesFrom `key:"instances_from"`
	Check         *Check         `key:"check" of:"all"`             // of every instance without its own
	Probe         Probe          `key:"probe" of:"all"`             // of every instance without its own
	Map           string         `key:"map" form:"absolute"`        // Apache's RewriteMap from instances and hosts to releases; "": none
	Shared        []string       `key:"shared" form:"entry"`        // paths linked into each release
	SharedDir     string         `key:"shared_dir" form:"absolute"` // where they live
	Assets        []string       `key:"assets" form:"relative"`     // folders of each release whose files pages name
	Hooks         Hooks          `key:"hooks"`
	Pools         []string       `key:"pools" form:"pool"` // addresses of the pools that serve it; none: all
}

// Source is where releases come from. The location of a folder or archive may hold
// Placeholder, which the REF of a deploy replaces.
type Source struct {
	Kind       string // git, dir or archive
	Location   string
	Submodules bool `key:"submodules"` // of a git source
}

// Placeholder stands for the REF of a deploy in Source.Location.
const Placeholder = "{ref}"

// InstancePlaceholder stands for an instance's name in App.Check.
const InstancePlaceholder = "{instance}"

// Instance is one site: a named symbolic link to a release.
type Instance struct {
	Name  string
	Link  string `key:"link" form:"absolute"`
	Check *Check `key:"check"` // none: nobody has said how the site is asked
	Probe Probe  `key:"probe"`
	Found bool   // by App.InstancesFrom, not listed
}

// Checked tells whether the instance has a request that proves that it serves.
func (i Instance) Checked() bool { return i.Check != nil && !i.Check.Off }

// InstancesFrom finds instances: what * matches in Pattern is the name.
type InstancesFrom struct {
	Pattern string   `key:"pattern" form:"absolute"` // absolute, with one *
	Except  []string `key:"except"`                  // names that are not instances
}

// Check is the request that proves that an instance serves after a switch.
type Check struct {
	Off      bool          // the site is not asked at all
	URL      string        `key:"url" form:"url"`
	Host     string        `key:"host" form:"host"` // sent instead of the URL's, unless empty
	Status   int           `key:"status" least:"100" most:"599" default:"200"`
	Contains string        `key:"contains"` // text that the body must hold, unless empty
	Timeout  time.Duration `key:"timeout" least:"1ms"`
}

// Probe is how an instance's own web server is asked which PHP serves it; without a
// URL, nobody has said how.
type Probe struct {
	Off  bool   // it is not asked, and no release holds the probe for it
	URL  string `key:"url" form:"url"` // of the document root; "" where nobody has said how it is asked
	Host string `key:"host" form:"host"`
}

// Hooks are shell commands around the switch.
type Hooks struct {
	Build        []string      `key:"build"`               // in the new release, before it is sealed
	BeforeSwitch []string      `key:"before_switch"`       // in the new release; failing, nothing is moved
	AfterSwitch  []string      `key:"after_switch"`        // in the new release; failing, the deploy is live all the same
	Timeout      time.Duration `key:"timeout" least:"1ms"` // of each command

	BuildPriority string `key:"build_priority" among:"low normal" default:"low"` // of the processes of Build: "low", or PriorityNormal
}

// Pool is one PHP-FPM pool, as relink and as the pool itself see it.
type Pool struct {
	Address    string        `key:"address" form:"pool"`                                 // unix:/run/x.sock or tcp:host:port
	StatusPath string        `key:"status_path" form:"page" default:"/status"`           // pm.status_path
	AgentDir   string        `key:"agent_dir" form:"absolute" default:"/var/lib/relink"` // where the pool can read the agent
	PathMap    []PathMapping `key:"path_map"`                                            // for chroots and containers
	Command    []string      `key:"command"`                                             // reloads the pool's master when relink cannot signal it
}

// PathMapping says that the folder Host is called Pool inside a pool.
type PathMapping struct {
	Host string `key:"host" form:"absolute"`
	Pool string `key:"pool" form:"absolute"`
}

// Apache is how the web server is controlled and asked.
type Apache struct {
	Control  string `key:"control" form:"program" default:"apachectl"`
	Status   string `key:"status" form:"url"`                                   // URL of its server status; "": the usual places
	AgentDir string `key:"agent_dir" form:"absolute" default:"/var/lib/relink"` // where PHP inside of Apache (mod_php) can read the agent
}

// Thresholds are the bounds past which OPcache's memory asks for a restart.
type Thresholds struct {
	Waste           float64 `key:"waste" default:"0.2"`                                          // ratio of the memory that a restart would free: past it a restart is worth its cost, where memory or keys are short
	FreeBytes       int64   `key:"free_bytes" form:"size" default:"16MB"`                        // memory that has to stay free beside the next release
	Keys            float64 `key:"keys" default:"0.9"`                                           // ratio of max_cached_keys in use, at most
	Strings         float64 `key:"strings" default:"0.95"`                                       // ratio of the interned strings buffer in use, at most
	JIT             float64 `key:"jit" default:"0.95"`                                           // ratio of the JIT buffer in use, at most
	HitRate         float64 `key:"hit_rate" default:"0.9"`                                       // ratio of hits between two samples, at least
	HitRateRequests int64   `key:"hit_rate_requests" least:"1" most:"1000000000" default:"1000"` // requests between them, for the ratio to count
}

// Restart is how and when OPcache is emptied once a threshold asks for it.
type Restart struct {
	Method string        `key:"method" among:"auto opcache fpm apache" default:"auto"` // how: a restart.Method
	Wait   time.Duration `key:"wait" default:"1m"`                                     // for a quiet moment, at most
	Quiet  time.Duration `key:"quiet" least:"1ms" default:"1s"`                        // age of the oldest request in flight, at most
}

// Warm paces the compilation of a new release before its switch.
type Warm struct {
	Workers int           `key:"workers" least:"1" most:"64" default:"1"` // of one pool that compile at the same time
	Slice   time.Duration `key:"slice" least:"1ms" default:"200ms"`       // of work in one request
	Pause   time.Duration `key:"pause" default:"50ms"`                    // between two of them
}

// Health bounds what "relink health" finds in order.
type Health struct {
	Timeout time.Duration `key:"timeout" least:"1ms" default:"5s"` // for all that is asked of one pool
	Window  time.Duration `key:"window" least:"1s" default:"15m"`  // counters are judged by their growth in it
	Skip    []string      `key:"skip"`                             // checks that are not made

	Bounds map[string]Bounds // by the keys of the table bounds
}

// Bounds are where a figure begins to be a WARNING and to be CRITICAL. A figure
// that equals a bound is still within it. Durations are in seconds.
type Bounds struct{ Warning, Critical float64 }

// Serve is how "relink serve" listens and looks. Paths are "" where not given.
type Serve struct {
	Listen    string        `key:"listen" form:"listen" default:"127.0.0.1:9155"`    // 127.0.0.1:9155, [::1]:9155 or unix:/path
	Interval  time.Duration `key:"interval" least:"1s" default:"5s"`                 // between two looks
	History   int64         `key:"history" form:"size" default:"16MB"`               // bytes that it may take on disk
	Restart   string        `key:"restart" among:"pending needed" default:"pending"` // "pending" or ServeNeeded
	TokenFile string        `key:"token_file" form:"absolute"`                       // holds the secret that every request must show
	TLS       ServeTLS      `key:"tls"`
}

// ServeNeeded has the service restart also what the thresholds ask for at the moment, and
// not only what a deploy, or "opcache reset", has left pending.
const ServeNeeded = "needed"

// ServeTLS are files in PEM form. Cert and Key come together.
type ServeTLS struct {
	Cert     string `key:"cert" form:"absolute"`
	Key      string `key:"key" form:"absolute"`
	ClientCA string `key:"client_ca" form:"absolute"` // only clients with a certificate of it are answered
}

// Timeouts bound every wait.
type Timeouts struct {
	Call   time.Duration `key:"call" least:"1ms" default:"30s"`    // one call of the agent
	Sweep  time.Duration `key:"sweep" least:"1ms" default:"100ms"` // the cut-over waits this long for a worker that is inside a request
	Settle time.Duration `key:"settle" default:"30s"`              // workers that were busy at the cut-over
	Hook   time.Duration `key:"hook" least:"1ms" default:"10m"`    // one hook, all its commands together
	Check  time.Duration `key:"check" least:"1ms" default:"10s"`   // one check of an instance
	Fetch  time.Duration `key:"fetch" least:"1ms" default:"10m"`   // one source
}
