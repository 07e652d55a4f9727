package deploy

import (
	"context"
	"time"

	"relink/deploy/apps"
	"relink/deploy/journal"
	"relink/deploy/source"
	"relink/internal/config"
	"relink/internal/ui"
	"relink/opcache"
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
	Thresholds   config.Thresholds
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

	// Reached is told of every point at which the state on disk has changed.
	// The crash tests end the process there. It may be nil.
	Reached func(point string)
}
