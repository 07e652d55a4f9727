// Package fleet is what several hosts agree on: the release that each is to be on, how far a
// rollout has come, and what becomes of it next, as pure functions of what all hosts say.
package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Target is a release that hosts are to be on.
type Target struct {
	Rollout string `json:"rollout"`          // which made it wanted
	Ref     string `json:"ref"`              // as it was asked for
	Commit  string `json:"commit,omitempty"` // full id; "" where the source has none
	Digest  string `json:"digest,omitempty"` // of its content; "" until the hosts have told theirs
	List    string `json:"list,omitempty"`   // SHA-256 of the list of what hosts fetch from each other; "": each fetches from the application's source
}

// Wanted is the release that each host is to be on. The zero Target asks for nothing.
type Wanted struct {
	All   Target            `json:"all"`
	Hosts map[string]Target `json:"hosts,omitempty"` // where it is another one
}

// Of is what one host is to be on.
func (w Wanted) Of(host string) Target {
	if own, ok := w.Hosts[host]; ok {
		return own
	}
	return w.All
}

// with is w once these hosts are to be on to; all tells that those to come are, too.
func (w Wanted) with(to Target, hosts []string, all bool) Wanted {
	if all {
		return Wanted{All: to}
	}
	next := Wanted{All: w.All, Hosts: maps.Clone(w.Hosts)}
	if next.Hosts == nil {
		next.Hosts = map[string]Target{}
	}
	for _, host := range hosts {
		next.Hosts[host] = to
	}
	return next
}

// State is all that a fleet agrees on for one application: one value under one key, so that
// each decision is one write.
type State struct {
	Wanted  Wanted   `json:"wanted"`            // before the rollout that is under way
	Rollout *Rollout `json:"rollout,omitempty"` // the last one; nil: none yet
	Paused  *Pause   `json:"paused,omitempty"`
}

// Pause keeps rollouts from beginning.
type Pause struct {
	By     string    `json:"by"`               // who
	Reason string    `json:"reason,omitempty"` // why, as given
	Since  time.Time `json:"since"`            // by the clock of whoever paused
}

// WantedOf is what a host is to be on now. While a rollout switches, that is its release for
// the hosts of the waves that have begun.
func (s State) WantedOf(host string) Target {
	if r := s.Rollout; r != nil && r.Phase == Switching && slices.Contains(r.begun(), host) {
		return r.Target
	}
	return s.Wanted.Of(host)
}

// Phase is how far a rollout has come.
type Phase string

const (
	Preparing Phase = "prepare" // hosts fetch, build and warm; nothing that serves changes
	Switching Phase = "switch"  // the hosts of the waves up to Rollout.Wave cut over, and check
	Done      Phase = "done"    // the release stays: hosts settle and retire what was before
	Back      Phase = "back"    // hosts that have cut over go back, the others let go
)

// Decided tells whether the rollout can only come to its end.
func (p Phase) Decided() bool { return p == Done || p == Back }

// Rollout is one deploy to several hosts.
type Rollout struct {
	ID     string `json:"id"` // when it was asked for; later ones sort after it
	Target Target `json:"target"`
	By     string `json:"by"` // user and host, as they say themselves

	Certificate string     `json:"certificate,omitempty"` // name in the certificate that proves who asked for it; "": not proven
	Signed      *Signature `json:"signed,omitempty"`      // by which that is proven; in etcd only

	Started time.Time `json:"started"`         // by the clock of whoever asked for it
	Hosts   []string  `json:"hosts"`           // sorted
	All     bool      `json:"all,omitempty"`   // those to come are to follow
	Waves   []int     `json:"waves,omitempty"` // hosts that have cut over once each wave has; the last is all. None: one wave
	Quorum  int       `json:"quorum"`          // hosts that have to come along, at least
	Bounds  Bounds    `json:"bounds"`

	Phase  Phase             `json:"phase"`            // how far it has come
	Wave   int               `json:"wave,omitempty"`   // that cuts over, from 0
	Out    map[string]string `json:"out,omitempty"`    // hosts that do not come along, and why
	Reason string            `json:"reason,omitempty"` // why it goes back
	Show   []string          `json:"show,omitempty"`   // two hosts of other contents, which tell them
	Moved  bool              `json:"moved,omitempty"`  // some host may have cut over
	Ended  bool              `json:"ended,omitempty"`  // every host has said what became of it, or is gone
}

// Bounds are how long things may take, by the steward's clock, which no other clock has to
// agree with.
type Bounds struct {
	Prepare Seconds `json:"prepare_seconds"` // until all hosts are ready
	Switch  Seconds `json:"switch_seconds"`  // for one wave to cut over and check
	Absent  Seconds `json:"absent_seconds"`  // that a host may be away before it counts as lost
}

// Seconds are a duration as JSON has it.
type Seconds float64

// Span is the duration.
func (s Seconds) Span() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// InSeconds is a duration as JSON has it.
func InSeconds(d time.Duration) Seconds { return Seconds(d.Seconds()) }

// Most is how long the rollout takes at most by its own bounds, twice, for a steward may be
// lost: its successor counts anew.
func (r *Rollout) Most() time.Duration {
	waves := max(1, len(r.Waves))
	return 2*(r.Bounds.Prepare.Span()+time.Duration(waves+1)*r.Bounds.Switch.Span()) + r.Bounds.Absent.Span()
}

// in are those of the hosts that come along.
func (r *Rollout) in(hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return r.Out[host] != "" })
}

// begun are the hosts that may cut over.
func (r *Rollout) begun() []string {
	if r.Phase == Preparing {
		return nil
	}
	hosts := r.Hosts
	if r.Wave < len(r.Waves) {
		hosts = hosts[:min(len(hosts), r.Waves[r.Wave])]
	}
	return r.in(hosts)
}

// MayCutOver tells whether a host that is ready may cut over now.
func (r *Rollout) MayCutOver(host string) bool {
	return r.Phase != Back && slices.Contains(r.begun(), host)
}

// lastWave tells whether all hosts have begun.
func (r *Rollout) lastWave() bool { return r.Wave >= len(r.Waves)-1 }

// Stage is how far one host has come with a rollout.
type Stage string

const (
	Working  Stage = "preparing"
	Ready    Stage = "ready"    // all is prepared and warm, and can cut over
	Switched Stage = "switched" // it has cut over, and its checks are well
	Finished Stage = "done"
	Returned Stage = "back"   // what serves is what served before
	Failed   Stage = "failed" // before anything had changed, or what its error says
)

// Final tells whether the host has ended the rollout.
func (s Stage) Final() bool { return s == Finished || s == Returned || s == Failed }

// Vote is what a host says of a rollout.
type Vote struct {
	Rollout string    `json:"rollout"`           // of which it says this
	Stage   Stage     `json:"stage"`             // how far the host has come
	Release string    `json:"release,omitempty"` // id, on this host
	Digest  string    `json:"digest,omitempty"`  // of what it has prepared
	Fetched *Fetched  `json:"fetched,omitempty"` // from other hosts; null: it has its own source, or all was there
	Error   string    `json:"error,omitempty"`   // why it failed
	Doubt   bool      `json:"doubt,omitempty"`   // what it says is done, but not proven for all visitors
	Moved   bool      `json:"moved,omitempty"`   // it has cut over, whatever came after
	CutOver time.Time `json:"cutover,omitzero"`  // by the host's own clock
	TookMS  float64   `json:"took_ms,omitempty"` // of the cut-over
	Saw     int64     `json:"saw,omitempty"`     // etcd's revision of the write that let it cut over
}

// Fetched is what has come from other hosts for one release.
type Fetched struct {
	Files int      `json:"files"` // that have come
	Of    int      `json:"of"`    // that it is made of
	Bytes int64    `json:"bytes"` // of their contents, without what had come before an interruption
	From  []string `json:"from"`  // hosts
}

// Host is what a host says of itself, under its lease.
type Host struct {
	Name    string            `json:"name"`
	ID      string            `json:"id"` // of the installation: two hosts of one name are told apart
	Labels  map[string]string `json:"labels,omitempty"`
	Version string            `json:"version"` // of relink
	Ready   bool              `json:"ready"`   // what its /readyz says
	Why     string            `json:"why,omitempty"`
	Problem string            `json:"problem,omitempty"` // with its certificate
	Serves  string            `json:"serves,omitempty"`  // where others fetch releases from it
	Lists   []string          `json:"lists,omitempty"`   // of these, by Target.List
	Apps    map[string]AppOn  `json:"apps"`
}

// AppOn is how an application stands on a host.
type AppOn struct {
	Instances int    `json:"instances"`         // that it has
	Release   string `json:"release,omitempty"` // of all instances; "" where they differ
	Commit    string `json:"commit,omitempty"`  // of its release
	Digest    string `json:"digest,omitempty"`  // of its content
	SetUp     string `json:"set_up,omitempty"`  // how the web server names scripts, at its last deploy
	FreeBytes int64  `json:"free_bytes"`        // on the disk of the releases
	Problem   string `json:"problem,omitempty"` // why it is not on what is wanted
}

// Seen is what the steward knows of the hosts. It measures by its own clock.
type Seen struct {
	Votes  map[string]Vote          // of this rollout
	Absent map[string]time.Duration // hosts without a lease, and for how long
	Since  time.Duration            // since the phase or wave began
}

// stage is how far a host has come.
func (s Seen) stage(host string) Stage { return cmp.Or(s.Votes[host].Stage, Working) }

// Adopting is what is wanted of hosts that the fleet has never asked for anything: what they
// are on. So that there is something to go back to.
func (w Wanted) Adopting(hosts map[string]Host, app string) Wanted {
	if w.All != (Target{}) {
		return w
	}
	adopted := Wanted{Hosts: maps.Clone(w.Hosts)}
	if adopted.Hosts == nil {
		adopted.Hosts = map[string]Target{}
	}
	for name, host := range hosts {
		if on := host.Apps[app]; on.Digest != "" && adopted.Hosts[name] == (Target{}) {
			adopted.Hosts[name] = Target{Ref: on.Release, Commit: on.Commit, Digest: on.Digest}
		}
	}
	return adopted
}
