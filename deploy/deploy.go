package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"relink/deploy/front"
	"relink/deploy/release"
	"relink/deploy/source"
	"relink/deploy/webmap"
	"relink/internal/exit"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/probe"
)

// run is one deploy, rollback or recovery under way.
type run struct {
	Options
	Deps
	id     string // of this run
	began  time.Time
	report *Report
	store  *release.Store

	journal   Journal
	unsettled Plan // moves of earlier deploys whose old release may still come back

	states   []links.State
	resolved source.Resolved
	to       []Destination   // of each instance
	release  release.Release // where the links go; of a folder that is no release only ID and Path
	made     []string        // releases that this run has sealed, by id
	plan     Plan
	contents map[string]string // what releases hold, by id (original)
	staying  map[string]bool   // of Instances: those that get a new path for the release that they are on

	addressing opcache.Addressing // the weakest of the instances; "" before anybody was asked
	links      *relinking
	webmap     *webmap.Staged // the new map of Apache; nil: none
	moved      time.Time      // when the first link moved; with a map, when it did
	switched   time.Time      // when all had
	synced     func() error   // waits until all moves are durable

	secret probe.Secret
	sights []front.Sight      // of the front doors, before anything moved
	before map[string]outcome // of the sites' front pages, right before the switch

	caches Caches
	pinned []opcache.Worker
	cut    Switch

	renewals renewals
	instead  []opcache.Order // restarts for room that come right after the switch
	unexpect func() error    // takes back that they are pending; nil before that, and once they have begun
	renewed  bool            // they have begun
}

// Run deploys o.Ref to o.Instances. The report is complete also when it fails;
// ExitCode tells what the error means.
func Run(ctx context.Context, o Options, d Deps) (Report, error) {
	return begin(ctx, o, d, OperationDeploy, (*run).deploy, (*run).dryDeploy)
}

// deploy is the whole of it, in order. Until "switch" nothing that serves has
// changed, and a failure leaves nothing behind. From there to "invalidate" no
// signal ends it, and a failure puts the links back. After that the release is
// live, and a failure is told but changes no link.
func (r *run) deploy(ctx context.Context) error {
	if err := r.inOrder(ctx,
		step{"recover", r.recoverLeft},
		step{"preflight", r.preflight},
		step{"resolve", r.resolve},
		step{"stage", r.stage},
	); err != nil {
		return r.abandon(ctx, err)
	}
	return r.bringLive(ctx)
}

// bringLive is what a deploy and a rollback have in common.
func (r *run) bringLive(ctx context.Context) error {
	if err := r.inOrder(ctx,
		step{"separate", r.separate},
		step{"observe", r.observe},
		step{"room", r.room},
		step{"assets", r.carryAssets},
		step{"warm", r.warm},
		step{"before_switch", r.beforeSwitch},
		step{"ask", r.ask},
		step{"quiet", r.quiet},
		step{"prepare", r.prepare},
	); err != nil {
		return r.abandon(ctx, err)
	}
	steady, cancel := uninterrupted(ctx, steadyTime)
	defer cancel()
	if err := r.inOrder(steady,
		step{"switch", r.cross},
		step{"sweep", r.sweep},
		step{"renew", r.renew},
		step{"invalidate", r.invalidate},
	); err != nil {
		return r.undo(steady, err)
	}
	if err := r.inOrder(ctx, step{"check", r.check}); errors.Is(err, ErrCheck) {
		return r.undo(steady, err)
	}
	return r.finish(ctx)
}

// finish is what remains once the new release is live.
func (r *run) finish(ctx context.Context) error {
	problems := r.each(ctx,
		step{"after_switch", r.afterSwitch},
		step{"settle", r.settle},
		step{"front_door", r.proveFront},
		step{"retire", r.retire},
		step{"restart", r.restart},
	)
	if ctx.Err() != nil {
		return r.interruptedLive(ctx)
	}
	problems = errors.Join(problems, r.take(ctx, step{"done", r.done}))
	r.pruneAfter(ctx)
	if problems == nil {
		return nil
	}
	return exit.As(exit.ErrUnverified, fmt.Errorf("%s is live, but: %w", r.release.ID, problems))
}

// begin is what surrounds every operation: the report, the lock, and on failure
// the word on what serves now.
func begin(ctx context.Context, o Options, d Deps, operation Operation, work, dry func(*run, context.Context) error) (Report, error) {
	r, err := newRun(o, d, operation)
	switch {
	case err != nil:
	case o.DryRun:
		err = dry(r, ctx)
	default:
		err = r.underLock(ctx, work)
	}
	return *r.report, r.conclude(err)
}

func newRun(o Options, d Deps, operation Operation) (*run, error) {
	o.Reset = cmp.Or(o.Reset, ResetSmart)
	if d.Screen == nil {
		d.Screen = ui.New(io.Discard, ui.Options{Quiet: true})
	}
	if d.Reached == nil {
		d.Reached = func(string) {}
	}
	now := time.Now()
	r := &run{Options: o, Deps: d, began: now, id: strconv.FormatInt(now.UnixNano(), 36), report: newReport(o, operation), staying: map[string]bool{}, contents: map[string]string{}}
	var err error
	r.store, err = release.Open(o.App.Releases)
	return r, err
}

func (r *run) underLock(ctx context.Context, work func(*run, context.Context) error) error {
	holder := thisProcess(r.Command)
	l, err := acquire(r.App.lockFile(), holder)
	if err != nil {
		return err
	}
	r.journal = Journal{App: r.App.Name, Operation: r.report.Operation, ID: r.id, Ref: r.Ref, Reset: r.Reset, Holder: holder, Started: r.began}
	err = work(r, ctx)
	return errors.Join(err, l.release())
}

// conclude completes the report. An error's text says what serves now, unless
// it is about what was asked for and not about what was done.
func (r *run) conclude(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		err = exit.As(exit.ErrInterrupted, err)
	}
	now := serving(r.App.Instances, r.App.realReleases())
	r.report.failed(err, now)
	if errors.Is(err, exit.ErrUsage) || errors.Is(err, exit.ErrLocked) {
		return err
	}
	return fmt.Errorf("%w\nnow: %s", err, describeServing(now))
}
