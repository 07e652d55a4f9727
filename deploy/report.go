package deploy

import (
	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/internal/exit"
	"relink/internal/ui"
	"relink/opcache"
	"time"
)

// Report is what a deploy, a rollback or a recovery did. As JSON it is the
// contract of docs/deploy-report.md: fields are added, never renamed or removed.
type Report struct {
	App       string    `json:"app"`
	Operation Operation `json:"operation"`
	DryRun    bool      `json:"dry_run"`
	Ref       string    `json:"ref,omitempty"`
	Commit    string    `json:"commit,omitempty"`
	Release   string    `json:"release"`
	Previous  string    `json:"previous"` // the release most of the instances come from

	// Of a refresh: the links that still lead to Previous, and whether Release was in
	// use before and had been left.
	Staying  []string `json:"staying,omitempty"`
	Returned bool     `json:"returned,omitempty"`

	SetUp     opcache.Addressing `json:"set_up,omitempty"` // the weakest of its instances
	Instances []InstanceReport   `json:"instances"`
	Steps     []StepReport       `json:"steps"`
	CutoverMS float64            `json:"cutover_ms"` // from the first moved link to the last invalidation

	FrontDoor   []FrontReport      `json:"front_door"` // what each instance's own web server answered, after everything
	Sweep       SweepReport        `json:"sweep"`
	Warm        opcache.WarmResult `json:"warm"`
	Invalidated int                `json:"invalidated"` // scripts at the cut-over
	Regained    int                `json:"regained"`    // scripts that busy workers had brought back
	Retired     int                `json:"retired"`     // scripts of releases that no instance uses
	Restart     RestartReport      `json:"restart"`
	Memory      MemoryReport       `json:"memory"`
	SavedBytes  int64              `json:"saved_bytes"` // (SharedBy - 1) x LiveBytes
	SharedBy    int                `json:"shared_by"`   // instances on the release
	LiveBytes   int64              `json:"live_bytes"`  // what OPcache holds of the release, once for all of them

	Would     []string `json:"would,omitempty"` // a dry run: what would happen, in order
	Pruned    []string `json:"pruned"`          // releases that were removed
	Recovered []string `json:"recovered"`       // what was put right of an earlier, interrupted deploy
	Warnings  []string `json:"warnings"`

	Exit  int            `json:"exit"`
	Error *FailureReport `json:"error,omitempty"`
}

// InstanceReport is one instance's move; From and To are equal where nothing moved.
type InstanceReport struct {
	Name string `json:"name"`
	Link string `json:"link"`
	From string `json:"from"` // release, or folder that is none; "" if there was no link
	To   string `json:"to"`
	// Stays: it is on the release that it was on, under a new path, because others
	// have left the old one.
	Stays bool `json:"stays,omitempty"`
}

// FrontReport is what an instance's web server answered to the probe.
type FrontReport struct {
	Instance string             `json:"instance"`
	SetUp    opcache.Addressing `json:"set_up,omitempty"`
	Release  string             `json:"release,omitempty"` // that served, or a folder that is none
	SAPI     string             `json:"sapi,omitempty"`
	PID      int                `json:"pid,omitempty"`
	By       string             `json:"by,omitempty"`    // the PHP that answered, in words
	Error    string             `json:"error,omitempty"` // why it could not be asked
}

// StepReport is one step and its time.
type StepReport struct {
	Name string  `json:"name"`
	MS   float64 `json:"ms"`
}

// SweepReport tells which workers are known to see the new links.
type SweepReport struct {
	Pools     int              `json:"pools"`
	Workers   int              `json:"workers"`    // swept at the cut-over, proven by pid
	Settled   int              `json:"settled"`    // proven after it
	StalePIDs []int            `json:"stale_pids"` // still on the old release
	Stale     []opcache.Worker `json:"stale,omitempty"`
	Unproven  []string         `json:"unproven,omitempty"` // pools that cannot list their workers
}

// RestartReport is the decision on a restart of the cache, and why.
type RestartReport struct {
	Action  string   `json:"action"` // the last that was done: "none", "invalidate", "opcache", "fpm", or "pending"
	Reasons []string `json:"reasons"`
}

// MemoryReport is OPcache's memory, summed over the caches; nil where no cache was read.
type MemoryReport struct {
	Before *Memory `json:"before"`
	After  *Memory `json:"after"`
}

// Memory is in bytes.
type Memory struct {
	Used   int64 `json:"used"`
	Free   int64 `json:"free"`
	Wasted int64 `json:"wasted"`
}

// FailureReport is why the exit status is not 0, and what serves now.
type FailureReport struct {
	exit.Failure
	Serving []apps.Serving `json:"serving"`
}

func newReport(o Options, operation Operation) *Report {
	return &Report{
		App: o.App.Name, Operation: operation, DryRun: o.DryRun, Ref: o.Ref,
		Instances: []InstanceReport{}, Steps: []StepReport{},
		FrontDoor: []FrontReport{},
		Sweep:     SweepReport{StalePIDs: []int{}},
		Warm:      opcache.WarmResult{Failed: []opcache.FailedScript{}},
		Restart:   RestartReport{Action: "none", Reasons: []string{}},
		Pruned:    []string{}, Recovered: []string{}, Warnings: []string{},
	}
}

func (r *Report) planned(plan moves.Plan) {
	r.Previous = plan.Previous()
	r.Instances = make([]InstanceReport, len(plan))
	for i, move := range plan {
		r.Instances[i] = InstanceReport{Name: move.Instance, Link: move.Link, From: move.From.Release, To: move.To.Release, Stays: move.Stays}
	}
}

func (r *Report) stepped(name string, took time.Duration) {
	r.Steps = append(r.Steps, StepReport{Name: name, MS: ui.Milliseconds(took)})
}

func (r *Report) warn(text string) { r.Warnings = append(r.Warnings, text) }

func (r *Report) failed(err error, now []apps.Serving) {
	r.Exit = exit.Status(err)
	if err != nil {
		r.Error = &FailureReport{*exit.FailureOf(err), now}
	}
}
