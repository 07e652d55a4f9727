// Package page is the page that shows an installation live: checks, roll-outs,
// caches, rates, pools and deploys.
package page

import (
	"time"

	"relink/deploy/fleet"
	"relink/deploy/journal"
	"relink/deploy/status"
	"relink/health"
	"relink/opcache/report"
)

// Snapshot is everything the page shows at one time. Two snapshots of the same times, its
// own and its fleet's, are taken for the same one. It is not changed once it has been handed out.
type Snapshot struct {
	Time   time.Time       `json:"time"`
	Host   string          `json:"host,omitempty"`
	Checks []health.Result `json:"checks"` // in any order
	Apps   []App           `json:"apps"`
	Fleet  *Fleet          `json:"fleet,omitempty"` // nil: this host is by itself
	Caches *report.Report  `json:"caches"`          // nil: not read yet
	Rates  Rates           `json:"rates"`
	Pools  []Pool          `json:"pools"`
	// Deploys are the last of all applications, newest first.
	Deploys []Deploy `json:"deploys"`
}

func (s Snapshot) same(o Snapshot) bool { return s.Time.Equal(o.Time) && s.Fleet.same(o.Fleet) }

// Fleet is what all hosts of the fleet say.
type Fleet struct {
	Host    string           `json:"host"`              // this one, by its name in the fleet
	Time    time.Time        `json:"time,omitzero"`     // when etcd told it last; absent: never
	Error   string           `json:"error,omitempty"`   // why etcd does not tell now; the rest is what it told last
	Steward string           `json:"steward,omitempty"` // the host that decides
	Apps    []fleet.Overview `json:"apps"`              // by name
}

func (f *Fleet) same(o *Fleet) bool {
	if f == nil || o == nil {
		return f == o
	}
	return f.Time.Equal(o.Time) && f.Error == o.Error
}

// App is one application.
type App struct {
	Name      string     `json:"name"`            // as configured
	Instances []Instance `json:"instances"`       // in the configuration's order
	Running   *Running   `json:"running"`         // nil: no deploy is under way or unfinished
	Error     string     `json:"error,omitempty"` // why the state of its deploys cannot be read
}

// Instance is one link.
type Instance struct {
	Name    string    `json:"name"`              // as configured
	Link    string    `json:"link"`              // its symbolic link
	Release string    `json:"release"`           // id, or folder that is no release; "" where the link leads nowhere
	Since   time.Time `json:"since,omitzero"`    // when the link was moved
	Problem string    `json:"problem,omitempty"` // why the link is not in order
}

// Running is a deploy that has not ended.
type Running struct {
	status.Pending
	Holder string `json:"holder,omitempty"` // who runs it; "": nobody, it was interrupted or has workers to settle
}

// Rates are lines over time, in columns: each line has one value for each time.
type Rates struct {
	Times    []int64 `json:"times"`     // Unix seconds, ascending
	HitRatio []Line  `json:"hit_ratio"` // 0 to 1, one line for each cache
	Requests []Line  `json:"requests"`  // per second, one line for each pool
}

// Line is one figure over time.
type Line struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"` // nil: not known, or too few requests to tell
}

// Pool is one FastCGI address.
type Pool struct {
	Address   string  `json:"address"`          // as configured
	Master    string  `json:"master,omitempty"` // the cache it shares, by its name in Caches
	Error     string  `json:"error,omitempty"`  // why it does not answer; nothing below is known then
	LatencyMS float64 `json:"latency_ms"`       // of the answer
	Workers   Workers `json:"workers"`
	Queue     *int64  `json:"queue"` // connections that wait now; nil: not known
	// Since the pool started; nil where there is no status page.
	MaxQueue           *int64   `json:"max_queue"`
	MaxChildrenReached *int64   `json:"max_children_reached"` // how often there were no more workers to be had
	SlowRequests       *int64   `json:"slow_requests"`        // longer than request_slowlog_timeout
	Requests           *float64 `json:"requests"`             // per second, since the snapshot before
}

// Workers counts a pool's processes; all are 0 where there is no status page.
type Workers struct {
	Idle   int64 `json:"idle"`   // waiting for one
	Active int64 `json:"active"` // in a request
	Most   int64 `json:"most"`   // ever active at once
}

// Deploy is a deploy or rollback that ended.
type Deploy struct {
	App        string            `json:"app"`
	ID         string            `json:"id"`               // of the run
	Time       time.Time         `json:"time"`             // when it ended
	Operation  journal.Operation `json:"operation"`        // what was done
	Release    string            `json:"release"`          // where the links went
	Ref        string            `json:"ref,omitempty"`    // from which its release was made
	User       string            `json:"user"`             // who did it
	Moved      int               `json:"moved"`            // instances whose link changed
	Undone     string            `json:"undone,omitempty"` // why the links were put back
	Stale      int               `json:"stale"`            // workers that still held the old release
	Steps      []journal.Step    `json:"steps"`
	CutoverMS  float64           `json:"cutover_ms"`        // from the first moved link to the last invalidation
	Restart    string            `json:"restart,omitempty"` // what was decided about the cache
	SavedBytes int64             `json:"saved_bytes"`       // by sharing the release
}

// DeployOf is what the page shows of a history's event.
func DeployOf(app string, e journal.Event) Deploy {
	return Deploy{
		App: app, ID: e.ID, Time: e.Time, Operation: e.Operation, Release: e.Release, Ref: e.Ref, User: e.User,
		Moved: len(e.Moves.Needed()), Undone: e.Undone, Stale: len(e.Stale),
		Steps: append([]journal.Step{}, e.Steps...), CutoverMS: e.CutoverMS, Restart: e.Restart, SavedBytes: e.SavedBytes,
	}
}
