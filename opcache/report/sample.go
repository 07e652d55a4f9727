// Package report turns what was read from OPcaches into a report: memory by
// release, what sharing saves, advice and a forecast, in five formats.
package report

import (
	"time"

	"relink/php"
)

// Sample is what was read from all OPcaches at one time.
type Sample struct {
	Time    time.Time
	Masters []Master
}

// Master is one OPcache with the pools that share it.
type Master struct {
	Name  string            // address of its first pool, or the FPM master's pid
	Pools []string          // addresses, those that are down too
	Down  map[string]string // address of a pool that could not be read, and why
	Err   error             // why nothing of this cache could be read; the fields below are zero then

	Status        php.Status
	Configuration php.Configuration
	Scripts       []php.Script // all of them, under the paths that the host sees

	// ProcessControlTimeout of the FPM master; nil where it is not known.
	ProcessControlTimeout *time.Duration

	Awaited *Awaited // nil: no restart is put off
}

// Application is one code base with its releases and the links to them.
type Application struct {
	Name      string
	Releases  string            // real folder whose children are the releases
	Slots     map[string]string // the release in each of these children in which they take turns
	Instances []Instance

	Deploys []time.Time // recorded deploys, in any order
	// Changed is the part of the files, 0 to 1, that differ between the last two
	// releases; nil where it is not known.
	Changed *float64
}

// Instance is one link to a release.
type Instance struct {
	Name   string
	Link   string
	Target string // real folder it leads to; "" if it dangles
}

// Order is what the largest scripts or folders are chosen by.
type Order string

// The orders of a top list.
const (
	ByBytes Order = "bytes"
	ByHits  Order = "hits"
	ByNever Order = "never" // bytes of live scripts that were never hit
)

// Orders lists the valid orders.
var Orders = []Order{ByBytes, ByHits, ByNever}

// Options choose what a report shows.
type Options struct {
	Top        int   // rows of the top list; 0: none
	TopBy      Order // "" is ByBytes
	TopFolders bool  // folders instead of scripts

	// MinRequests is how many requests a window must hold for its hit rate to
	// mean something; 0 means DefaultMinRequests.
	MinRequests int64
}

// DefaultMinRequests makes one miss move a window's hit rate by at most 1 %.
const DefaultMinRequests = 100
