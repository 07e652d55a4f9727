package deploy

import (
	"context"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/rendezvous"
	"relink/deploy/slots"
	"relink/deploy/source"
	"relink/internal/config"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/filecache"
	"relink/opcache/restart"
	"relink/php"
	"relink/php/probe"
)

// Options is what one run is asked to do.
type Options struct {
	App          apps.App
	Instances    []config.Instance // those to move, of App.Instances
	Ref          string            // Run: what to deploy
	To           string            // Rollback: the release; "" means the one before, of each instance
	Reset        journal.Reset     // "" means ResetSmart
	Rebuild      bool              // make a new release also where other instances are on one of the same commit
	DryRun       bool
	APCu         bool // clear it with the cut-over
	Thresholds   config.Thresholds
	Fast         bool          // take no care of what the visitors need meanwhile
	FetchTimeout time.Duration // of resolve and of fetch, each; 0: none
	Force        bool          // go on in spite of pinned workers (Run) or a bad mark (Rollback)
	Command      string        // as typed: the lock names it
}

// Deps is what a run works with.
type Deps struct {
	Source  source.Source
	Connect func(ctx context.Context, web opcache.Web) (Caches, error) // asked once, and not at all with ResetNever
	Glance  func(ctx context.Context) (Caches, error)                  // the same for a dry run: nil where that would write something
	Pools   []string                                                   // addresses, for messages
	Screen  *ui.Output                                                 // nil: nobody looks
	Others  rendezvous.Others                                          // hosts that cut over at the same instant; nil: none

	// Reached is told of every point at which the state on disk has changed.
	// The crash tests end the process there. It may be nil.
	Reached func(point string)
}

// Caches are the OPcaches behind the pools that serve an application.
// What Connect gives wraps *opcache.Caches.
type Caches interface {
	Has(a probe.Answer) bool
	Threaded() []string
	Workers() int
	ToHost(a probe.Answer) string
	Views() []php.PathMap
	Pinned(ctx context.Context) ([]opcache.Worker, error)
	Usage(ctx context.Context) ([]opcache.Usage, error)
	Footprints(ctx context.Context, folders []string) (map[string]opcache.Footprint, error)
	Addressing(ctx context.Context) (opcache.Addressing, error)
	Observe(ctx context.Context, links []opcache.Link, addressing opcache.Addressing) (Switch, error)
	Retire(ctx context.Context, unused []string) (opcache.RetireResult, error)
	CleanFiles(ctx context.Context, releases string) (filecache.Cleaned, error)
	slots.Caches
	Keep(ctx context.Context, u restart.Maintenance) (restart.MaintenanceResult, error)
	Rehearse(ctx context.Context, orders []restart.Order) error
	Expect(ctx context.Context, l restart.Queue, orders []restart.Order) (unexpect func() error, err error)
	Restart(ctx context.Context, l restart.Queue, orders []restart.Order, on Occasion) (restart.Outcome, error)
	Preloads(ctx context.Context, sites []opcache.Link) ([]restart.Renewal, error)
	EndWorkers(ctx context.Context, pools []string) (ended, busy int, err error)
}

// Occasion is what a deploy adds to how this server is restarted.
type Occasion struct {
	Unused []string          // folders of which nothing is to be warm again
	Moved  map[string]string // releases whose hot scripts are to be warm at another place
	Wait   time.Duration     // for a quiet moment, at most, where that is less than is configured
	// Switch moves the links, right before the first of the restarts; nil where
	// they have moved, or do not.
	Switch func(context.Context) error
}

// Switch is the cache work for links that move together, in this order.
type Switch interface {
	Except(pinned []opcache.Worker)
	ClearAPCu(asked bool)
	Renewals(ctx context.Context, sites []opcache.Link) ([]restart.Renewal, error)
	Room(ctx context.Context, unused []string) ([]restart.CacheFit, error)
	Warm(ctx context.Context, progress opcache.Progress) (opcache.WarmResult, error)
	Sweep(ctx context.Context) (opcache.SweepResult, error)
	Invalidate(ctx context.Context) (opcache.InvalidateResult, error)
	Settle(ctx context.Context, progress opcache.Progress) (opcache.SettleResult, error)
	Retire(ctx context.Context, unused []string) (opcache.RetireResult, error)
}
