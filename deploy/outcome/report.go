// Package outcome is the report of an operation: its JSON document, and its text
// for people.
package outcome

import (
	"fmt"
	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/internal/exit"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/filecache"
	"relink/opcache/restart"
	"time"
)

// Report is what a deploy, a rollback or a recovery did. As JSON it is the
// contract of docs/deploy-report.md: fields are added, never renamed or removed.
type Report struct {
	App       string            `json:"app"`
	Operation journal.Operation `json:"operation"`        // what was done
	DryRun    bool              `json:"dry_run"`          // nothing was changed; Would tells what would have been
	Ref       string            `json:"ref,omitempty"`    // what was asked for
	Commit    string            `json:"commit,omitempty"` // that Ref means
	Release   string            `json:"release"`          // where the links go: its id, or a folder that is none
	Previous  string            `json:"previous"`         // the release most of the instances come from

	Staying  []string `json:"staying,omitempty"`  // of a refresh: the links that still lead to Previous
	Returned bool     `json:"returned,omitempty"` // of a refresh: Release was in use before, and had been left

	SetUp     opcache.Addressing `json:"set_up,omitempty"` // the weakest of its instances
	Instances []Instance         `json:"instances"`
	Steps     []journal.Step     `json:"steps"`
	CutoverMS float64            `json:"cutover_ms"` // from the first moved link to the last invalidation

	FrontDoor   []Front            `json:"front_door"` // what each instance's own web server answered, after everything
	Sweep       Sweep              `json:"sweep"`
	Staged      Staged             `json:"staged"`
	Warm        opcache.WarmResult `json:"warm"`
	Invalidated int                `json:"invalidated"`    // scripts at the cut-over
	Regained    int                `json:"regained"`       // scripts that busy workers had brought back
	Retired     int                `json:"retired"`        // scripts of releases that no instance uses
	APCu        *opcache.APCu      `json:"apcu,omitempty"` // what was cleared of it; nil: nobody asked for that
	Restart     Restart            `json:"restart"`
	Memory      CacheMemory        `json:"memory"`
	SavedBytes  int64              `json:"saved_bytes"` // (SharedBy - 1) x LiveBytes
	SharedBy    int                `json:"shared_by"`   // instances on the release
	LiveBytes   int64              `json:"live_bytes"`  // what OPcache holds of the release, once for all of them

	Would     []string `json:"would,omitempty"` // a dry run: what would happen, in order
	Pruned    []string `json:"pruned"`          // releases that were removed
	Recovered []string `json:"recovered"`       // what was put right of an earlier, interrupted deploy
	Warnings  []string `json:"warnings"`        // what went otherwise than asked for, without failing

	// FileCache is what was removed of opcache.file_cache that was of releases which are
	// gone, or left; nil: nothing.
	FileCache *filecache.Cleaned `json:"file_cache,omitempty"`

	Exit  int      `json:"exit"`
	Error *Failure `json:"error,omitempty"`
}

// Instance is one instance's move; From and To are equal where nothing moved.
type Instance struct {
	Name string `json:"name"` // as configured
	Link string `json:"link"` // its symbolic link
	From string `json:"from"` // release, or folder that is none; "" if there was no link
	To   string `json:"to"`   // release, or folder that is none; planned, so that after a failure only error.serving tells what serves
	// Stays: it is on the release that it was on, under a new path, because others
	// have left the old one.
	Stays bool `json:"stays,omitempty"`
}

// Staged is where a release was made, and what of it was new there.
type Staged struct {
	Slot    string `json:"slot,omitempty"` // "": it has a folder of its own
	Files   int    `json:"files"`          // that the release has
	Changed int    `json:"changed"`        // that the slot had otherwise, or not at all
	Removed int    `json:"removed"`        // that it had, and the release has not
}

// Describe tells it in a line: what differs, where there was a release before.
func (s Staged) Describe() string {
	switch {
	case s.Slot == "" || s.Changed == s.Files:
		return ui.Plural(s.Files, "file")
	case s.Removed > 0:
		return fmt.Sprintf("%s of %s changed, %s removed", ui.Count(s.Changed), ui.Plural(s.Files, "file"), ui.Count(s.Removed))
	}
	return fmt.Sprintf("%s of %s changed", ui.Count(s.Changed), ui.Plural(s.Files, "file"))
}

// Front is what an instance's web server answered to the probe.
type Front struct {
	Instance string             `json:"instance"`
	SetUp    opcache.Addressing `json:"set_up,omitempty"`  // resolved, revalidated or keyed
	Release  string             `json:"release,omitempty"` // that served, or a folder that is none
	SAPI     string             `json:"sapi,omitempty"`    // as PHP names itself: fpm-fcgi or apache2handler
	PID      int                `json:"pid,omitempty"`
	By       string             `json:"by,omitempty"`    // the PHP that answered, in words
	Error    string             `json:"error,omitempty"` // why it could not be asked
}

// Sweep tells which workers are known to see the new links.
type Sweep struct {
	Pools     int              `json:"pools"`      // that were swept
	Workers   int              `json:"workers"`    // swept at the cut-over, proven by pid
	Settled   int              `json:"settled"`    // proven after it
	StalePIDs []int            `json:"stale_pids"` // still on the old release
	Stale     []opcache.Worker `json:"stale,omitempty"`
	Unproven  []string         `json:"unproven,omitempty"` // pools that cannot list their workers
}

// Restart is the decision on a restart of the cache, and why.
type Restart struct {
	Action  string   `json:"action"`  // the last that was done: "none", "invalidate", "opcache", "fpm", or "pending"
	Reasons []string `json:"reasons"` // the figures and their bounds, in words; for none, too
}

// CacheMemory is OPcache's memory, summed over the caches; nil where no cache was read.
type CacheMemory struct {
	Before *Memory `json:"before"`
	After  *Memory `json:"after"`
}

// Memory is in bytes.
type Memory struct {
	Used   int64 `json:"used"`   // bytes, without what is wasted
	Free   int64 `json:"free"`   // bytes
	Wasted int64 `json:"wasted"` // bytes of scripts that were invalidated
}

// Failure is why the exit status is not 0, and what serves now.
type Failure struct {
	exit.Failure
	Serving []apps.Serving `json:"serving"`
}

func New(app string, operation journal.Operation, ref string, dryRun bool) *Report {
	return &Report{
		App: app, Operation: operation, DryRun: dryRun, Ref: ref,
		Instances: []Instance{}, Steps: []journal.Step{},
		FrontDoor: []Front{},
		Sweep:     Sweep{StalePIDs: []int{}},
		Warm:      opcache.WarmResult{Failed: []opcache.FailedScript{}},
		Restart:   Restart{Action: "none", Reasons: []string{}},
		Pruned:    []string{}, Recovered: []string{}, Warnings: []string{},
	}
}

func (r *Report) Planned(plan moves.Plan) {
	r.Previous = plan.Previous()
	r.Instances = make([]Instance, len(plan))
	for i, move := range plan {
		r.Instances[i] = Instance{Name: move.Instance, Link: move.Link, From: move.From.Release, To: move.To.Release, Stays: move.Stays}
	}
}

func (r *Report) Stepped(name string, took time.Duration) {
	r.Steps = append(r.Steps, journal.Step{Name: name, MS: ui.Milliseconds(took)})
}

func (r *Report) Warn(text string) { r.Warnings = append(r.Warnings, text) }

func (r *Report) Failed(err error, now []apps.Serving) {
	r.Exit = exit.Status(err)
	if err != nil {
		r.Error = &Failure{*exit.FailureOf(err), now}
	}
}

func (r *Report) Restarted(result restart.MaintenanceResult) {
	if action := result.Action(); action != string(restart.None) { // a restart that made room counts
		r.Restart.Action = action
	}
	for _, one := range result.Decisions {
		r.Restart.Reasons = append(r.Restart.Reasons, one.Texts()...)
	}
	r.Restart.Reasons = append(r.Restart.Reasons, result.Notes...)
	for _, pending := range result.Pending {
		r.Warn("the restart of " + pending.Pools[0] + " is pending: " + pending.Last + `; the next deploy or "relink opcache reset" does it when it is quiet`)
	}
}

func (r *Report) Ended(why []string) {
	if r.Restart.Action == string(restart.None) {
		r.Restart.Action = string(restart.EndWorkers)
	}
	r.Restart.Reasons = append(r.Restart.Reasons, why...)
}

func (r *Report) WarmedBy(outcome restart.Outcome) {
	for _, m := range outcome.Masters {
		r.Warm.Scripts += m.Warm.Scripts
		r.Warm.Failed = append(r.Warm.Failed, m.Warm.Failed...)
		r.Warm.Skipped = ""
	}
}

func MemoryOf(usage []opcache.Usage) *Memory {
	sum := opcache.Sum(usage)
	return &Memory{Used: sum.UsedBytes, Free: sum.FreeBytes, Wasted: sum.WastedBytes}
}

func (s *Sweep) Left(stale []opcache.Worker, unproven []string) {
	s.Stale, s.Unproven, s.StalePIDs = stale, unproven, []int{}
	for _, worker := range stale {
		s.StalePIDs = append(s.StalePIDs, worker.PID)
	}
}
