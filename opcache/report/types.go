package report

import "time"

// Version is that of the JSON contract, docs/opcache-report.md. It rises when a
// field changes its meaning or goes; new fields may come without.
const Version = 1

// Report is what a sample tells. Bytes are bytes of OPcache's shared memory,
// ratios are 0 to 1, a nil is not known. docs/opcache-report.md describes it as JSON, in
// which bytes of a path that are not UTF-8 become U+FFFD.
type Report struct {
	Version  int       `json:"version"`
	Time     time.Time `json:"time"`     // when the sample was taken
	Complete bool      `json:"complete"` // every pool could be read

	MemoryBytes   int64 `json:"memory_bytes"`   // of all caches
	SavedBytes    int64 `json:"saved_bytes"`    // by sharing releases, as measured now
	SavedKeys     int64 `json:"saved_keys"`     // keys that copies would take
	UnsharedBytes int64 `json:"unshared_bytes"` // what the caches would need without sharing

	Masters      []MasterReport      `json:"masters"`
	Applications []ApplicationReport `json:"applications"`
	Outside      []FolderReport      `json:"outside"` // scripts of no release, by folder
	Top          *TopReport          `json:"top"`     // nil unless asked for

	apps    []Application
	entries []entry // every script, for the formats that show them
}

// WithoutScripts is r without the list of scripts that it keeps for its page.
func (r Report) WithoutScripts() *Report {
	r.apps, r.entries = nil, nil
	return &r
}

// MasterReport is one OPcache.
type MasterReport struct {
	Name  string     `json:"name"`  // what it is called
	Pools []string   `json:"pools"` // addresses of its pools
	Down  []PoolDown `json:"down"`
	Error *string    `json:"error"` // why nothing could be read; all below is zero then

	PHPVersion        string     `json:"php_version"`         // of the PHP that it belongs to
	SAPI              string     `json:"sapi"`                // "fpm-fcgi", or "apache2handler" (mod_php)
	Idle              *bool      `json:"idle"`                // it holds no script but relink's own; nil: not known
	Started           *time.Time `json:"started"`             // of the OPcache with its FPM master or Apache
	LastRestart       *time.Time `json:"last_restart"`        // nil: never
	Enabled           bool       `json:"enabled"`             // OPcache is on
	CacheFull         bool       `json:"cache_full"`          // it takes no scripts any more
	RestartPending    bool       `json:"restart_pending"`     // a restart waits for requests in flight
	RestartInProgress bool       `json:"restart_in_progress"` // it is being restarted

	Awaited *Awaited `json:"awaited_restart"` // nil: none was put off

	Memory   MemoryReport   `json:"memory"`
	Scripts  ScriptCount    `json:"scripts"`
	Keys     KeyReport      `json:"keys"`
	Strings  StringsReport  `json:"interned_strings"`
	JIT      *JITReport     `json:"jit"`     // nil: not compiled in or without buffer
	Preload  *PreloadReport `json:"preload"` // nil: opcache.preload is not used
	Life     RequestReport  `json:"life"`    // since the start or the last restart
	Window   WindowReport   `json:"window"`
	Restarts RestartReport  `json:"restarts"`

	SavedBytes    int64 `json:"saved_bytes"`    // by sharing releases
	SavedKeys     int64 `json:"saved_keys"`     // by sharing releases
	UnsharedBytes int64 `json:"unshared_bytes"` // used_bytes + saved_bytes

	Forecast ForecastReport `json:"forecast"`
	Advice   []Advice       `json:"advice"`
}

// Awaited is a restart that relink decided on and put off until it is quiet.
type Awaited struct {
	Action  string     `json:"action"`  // opcache, fpm or apache
	Since   *time.Time `json:"since"`   // when it was decided
	Tries   int        `json:"tries"`   // so far
	Reasons []string   `json:"reasons"` // in words
	Last    string     `json:"last"`    // why it was not done at the last try
}

// PoolDown is a pool that could not be read.
type PoolDown struct {
	Pool  string `json:"pool"`  // its address
	Error string `json:"error"` // why it could not be read
}

// MemoryReport is OPcache's shared memory. total = used + free + wasted;
// used = live + overhead; overhead = its five parts + unexplained;
// wasted = dead + replaced. A part can be a little below 0, since the figures
// and the scripts are read one after the other.
type MemoryReport struct {
	TotalBytes  int64   `json:"total_bytes"`  // opcache.memory_consumption
	UsedBytes   int64   `json:"used_bytes"`   // without what is wasted
	FreeBytes   int64   `json:"free_bytes"`   // never used since the last restart
	WastedBytes int64   `json:"wasted_bytes"` // of invalidated scripts: free only after a restart
	UsedRatio   float64 `json:"used_ratio"`   // of the whole
	FreeRatio   float64 `json:"free_ratio"`   // of the whole
	WastedRatio float64 `json:"wasted_ratio"` // of the whole

	LiveBytes     int64 `json:"live_bytes"`     // of the live scripts
	DeadBytes     int64 `json:"dead_bytes"`     // of invalidated scripts that are still listed
	ReplacedBytes int64 `json:"replaced_bytes"` // of invalidated scripts that have been compiled again since

	OverheadBytes     int64 `json:"overhead_bytes"`                  // what is used beside live scripts
	StringBufferBytes int64 `json:"overhead_interned_strings_bytes"` // the whole interned strings buffer
	KeyTableBytes     int64 `json:"overhead_key_table_bytes"`        // of the table of keys
	AlignmentBytes    int64 `json:"overhead_alignment_bytes"`        // 64 bytes for each listed script
	PreloadBytes      int64 `json:"overhead_preload_bytes"`          // what opcache.preload loaded
	JITTableBytes     int64 `json:"overhead_jit_bytes"`              // not the JIT buffer, which is no part of this memory
	UnexplainedBytes  int64 `json:"unexplained_bytes"`               // what no figure of OPcache explains
}

// ScriptCount counts entries of the cache.
type ScriptCount struct {
	Live int64 `json:"live"` // that are served
	Dead int64 `json:"dead"` // invalidated, still listed
}

// KeyReport is the table that opcache.max_accelerated_files sizes.
type KeyReport struct {
	Used    int64   `json:"used"`    // scripts and aliases, dead ones too
	Max     int64   `json:"max"`     // max_cached_keys
	Ratio   float64 `json:"ratio"`   // used of max
	Scripts int64   `json:"scripts"` // keys that are real paths
	Aliases int64   `json:"aliases"` // literal paths that lead to one of them
}

// StringsReport is the interned strings buffer.
type StringsReport struct {
	SizeBytes int64   `json:"size_bytes"` // opcache.interned_strings_buffer
	UsedBytes int64   `json:"used_bytes"` // of the buffer
	FreeBytes int64   `json:"free_bytes"` // of the buffer
	Count     int64   `json:"count"`      // of strings
	Ratio     float64 `json:"ratio"`      // used of size
}

// JITReport is the buffer of the just-in-time compiler.
type JITReport struct {
	On        bool    `json:"on"`         // it compiles
	SizeBytes int64   `json:"size_bytes"` // of the buffer
	UsedBytes int64   `json:"used_bytes"` // of the buffer
	Ratio     float64 `json:"ratio"`      // used of size
}

// PreloadReport is what opcache.preload loaded.
type PreloadReport struct {
	Bytes     int64 `json:"bytes"`     // of OPcache's memory
	Scripts   int64 `json:"scripts"`   // how many
	Classes   int64 `json:"classes"`   // how many
	Functions int64 `json:"functions"` // how many
}

// RequestReport counts look-ups of scripts.
type RequestReport struct {
	Since  *time.Time `json:"since"`     // the start, or the last restart
	Hits   int64      `json:"hits"`      // look-ups that found their script
	Misses int64      `json:"misses"`    // look-ups that did not
	Ratio  *float64   `json:"hit_ratio"` // nil before any
}

// WindowReport counts between two samples.
type WindowReport struct {
	Since   *time.Time `json:"since"`             // when it began; nil: there was no earlier sample
	Seconds float64    `json:"seconds"`           // its length; 0: there was no earlier sample
	Hits    *int64     `json:"hits"`              // in the window; nil: not known
	Misses  *int64     `json:"misses"`            // in the window; nil: not known
	Ratio   *float64   `json:"hit_ratio"`         // nil: not known, or too few look-ups
	Unknown string     `json:"unknown,omitempty"` // why the hit ratio is not known
}

// RestartReport counts restarts of the cache since PHP was started.
type RestartReport struct {
	OOM    int64 `json:"oom"`    // memory was exhausted
	Hash   int64 `json:"hash"`   // keys were exhausted
	Manual int64 `json:"manual"` // opcache_reset()
}

// ApplicationReport is one application over all caches.
type ApplicationReport struct {
	Name       string          `json:"name"`        // as configured
	SavedBytes int64           `json:"saved_bytes"` // of all its releases
	SavedKeys  int64           `json:"saved_keys"`  // of all its releases
	Releases   []ReleaseReport `json:"releases"`    // live on most instances first
	Dangling   []string        `json:"dangling"`    // instances whose link leads nowhere
}

// ReleaseReport is what the caches hold of one release.
type ReleaseReport struct {
	Release   string   `json:"release"`   // its id; a real folder where a link leads to something else
	Folder    string   `json:"folder"`    // its real path
	Instances []string `json:"instances"` // that are on it, by their names
	Holding
	// AttachedBytes is memory of the live scripts that OPcache does not count as
	// theirs: alignment, and by size a part of what no figure explains.
	AttachedBytes  int64           `json:"attached_bytes"`
	SavedBytes     int64           `json:"saved_bytes"`      // with what is attached
	SavedLiveBytes int64           `json:"saved_live_bytes"` // of the live scripts alone
	SavedKeys      int64           `json:"saved_keys"`       // keys that copies would take
	Masters        []MasterHolding `json:"masters"`          // those that hold something of it
}

// MasterHolding is what one cache holds.
type MasterHolding struct {
	Name string `json:"name"` // that of the cache
	Holding
}

// FolderReport is what the caches hold of one folder.
type FolderReport struct {
	Folder string `json:"folder"` // its real path
	Holding
}

// Holding is what is held of some scripts.
type Holding struct {
	LiveScripts int64      `json:"live_scripts"`    // that are served
	DeadScripts int64      `json:"dead_scripts"`    // invalidated, still listed
	LiveBytes   int64      `json:"live_bytes"`      // of the live scripts
	DeadBytes   int64      `json:"dead_bytes"`      // of the dead scripts
	NeverBytes  int64      `json:"never_hit_bytes"` // of the live scripts
	Hits        int64      `json:"hits"`            // of the scripts that are listed now
	WindowHits  *int64     `json:"window_hits"`     // hits in the window of the cache
	LastUsed    *time.Time `json:"last_used"`       // when the last one was asked for
}

// Size is the memory of the scripts, live or dead.
func (h Holding) Size() int64 { return h.LiveBytes + h.DeadBytes }

// TopReport lists the largest.
type TopReport struct {
	By   Order    `json:"by"` // what makes them large
	Of   string   `json:"of"` // "scripts" or "folders"
	Rows []TopRow `json:"rows"`
}

// TopRow is one script or folder.
type TopRow struct {
	Master  string `json:"master"`  // the cache, by its name
	Path    string `json:"path"`    // of the script, or of the folder
	App     string `json:"app"`     // "": of none
	Release string `json:"release"` // "": of none
	Holding
}
