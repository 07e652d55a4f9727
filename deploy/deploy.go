// Package deploy moves the links of an application's instances from one release
// to another, with the cache work that makes every PHP worker follow at once,
// and knows how to finish or undo that after any interruption.
package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"relink/deploy/apps"
	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/lock"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/deploy/release"
	"relink/deploy/rendezvous"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/pace"
	"relink/internal/trust"
	"relink/internal/ui"
	"relink/opcache"
	"relink/php/probe"
)

// run is one operation under way: what is the same from its first step to its last.
// All else goes from step to step as a value.
type run struct {
	Options
	Deps
	id      string
	began   time.Time
	crowded bool // the server was full then, and visitors come first
	report  *outcome.Report
	store   *release.Store
	journal journal.Journal // as it stands on disk, once its phase is noted

	unexpect func() error // takes back that restarts are pending; nil: none are, or they have begun
}

// server is what serves now, as far as it has been asked.
type server struct {
	states     []links.State      // of the chosen instances' links
	caches     Caches             // nil: none has to follow
	addressing opcache.Addressing // the weakest of the instances; "" before anybody was asked
	secret     probe.Secret
	sights     []probe.Heard    // of the front doors
	pinned     []opcache.Worker // that nobody can reach
}

// coming is what shall be live.
type coming struct {
	release release.Release // of a folder that is no release only ID and Path
	goals   []moves.Goal    // of the instances that move, or could
}

// change is the moves of links, and the caches that have to follow them.
type change struct {
	server
	plan moves.Plan
	cut  Switch // nil: no cache has to follow
}

// Run deploys o.Ref to o.Instances. The report is complete also when it fails;
// exit.Status tells what the error means.
func Run(ctx context.Context, o Options, d Deps) (outcome.Report, error) {
	return operate(ctx, o, d, journal.OperationDeploy, (*run).deploy, (*run).dryDeploy)
}

// deploy is the whole of it, in order. Until "switch" nothing that serves has
// changed, and a failure leaves nothing behind. From there to "invalidate" no
// signal ends it, and a failure puts the links back. After that the release is
// live, and a failure is told but changes no link.
func (r *run) deploy(ctx context.Context) error {
	s := r.inOrder()
	left := take(ctx, s, "recover", r.recoverLeft)
	r.journal.Unsettled = left.unsettled
	found := take(ctx, s, "preflight", r.preflight(left.server))
	resolved := take(ctx, s, "resolve", r.resolve)
	staged := take(ctx, s, "stage", r.stage(found, resolved))
	if s.err != nil {
		return r.abandon(ctx, s.err, prepared{})
	}
	return r.bringLive(ctx, found, staged)
}

// bringLive is what a deploy and a rollback have in common.
func (r *run) bringLive(ctx context.Context, found server, staged coming) error {
	s := r.inOrder()
	to := take(ctx, s, "separate", r.separate(found, staged))
	seen := take(ctx, s, "observe", r.observe(found, to.goals))
	need := take(ctx, s, "room", r.room(seen))
	s.do(ctx, "assets", r.carryAssets(seen.plan))
	s.do(ctx, "warm", r.warm(seen.cut))
	s.do(ctx, "before_switch", r.runHook("before_switch", r.App.Hooks.BeforeSwitch, to.release))
	pages := take(ctx, s, "ask", r.ask(moves.InstancesOf(to.goals), r.sitesAtOnce(found)))
	need = take(ctx, s, "quiet", r.quiet(seen.caches, need))
	ready := take(ctx, s, "prepare", r.prepare(to, seen, need))
	s.do(ctx, "barrier", rendezvous.Barrier(r.Others, to.release))
	if s.err != nil {
		ready.change = seen
		return r.abandon(ctx, s.err, ready)
	}

	steady, cancel := uninterrupted(ctx, steadyTime)
	defer cancel()
	done := take(steady, s, "switch", r.cross(ready))
	s.do(steady, "sweep", r.sweep(seen))
	done.full = take(steady, s, "renew", r.renew(ready))
	s.do(steady, "invalidate", r.invalidate(seen, done))
	if s.err != nil {
		return r.undo(steady, s.err, ready, done)
	}
	checked := r.inOrder()
	checked.do(ctx, "check", r.check(moves.InstancesOf(to.goals), pages, r.sitesAtOnce(found)))
	checked.do(ctx, "verdict", rendezvous.Verdict(r.Others, r.report.CutoverMS, done.first.Add(ui.FromMilliseconds(r.report.CutoverMS))))
	if errors.Is(checked.err, front.ErrCheck) || errors.Is(checked.err, rendezvous.ErrTakenBack) { // or a signal failed it, not the release
		return r.undo(steady, checked.err, ready, done)
	}
	return r.finish(ctx, to, seen, checked.err)
}

// finish is what remains once the new release is live, though something is not proven of it.
func (r *run) finish(ctx context.Context, to coming, seen change, unproven error) error {
	s := r.each()
	s.err = unproven
	s.do(ctx, "after_switch", r.runHook("after_switch", r.App.Hooks.AfterSwitch, to.release))
	unsettled := take(ctx, s, "settle", r.settle(seen, r.journal.Moves))
	s.do(ctx, "front_door", r.proveFront(to, seen))
	s.do(ctx, "retire", r.retire(seen.cut))
	s.do(ctx, "restart", r.restart(seen.caches, to.release.ID))
	if ctx.Err() != nil {
		return r.interruptedLive(to.release.ID)
	}
	s.do(context.WithoutCancel(ctx), "done", r.done(seen.addressing, unsettled))
	r.pruneAfter(ctx, seen.server, unsettled)
	if s.err == nil {
		return nil
	}
	return exit.As(exit.ErrUnverified, fmt.Errorf("%s is live, but: %w", to.release.ID, s.err))
}

// operate does what a command does, under the lock or as a dry run without it, and
// completes the report; an error says what serves now.
func operate(ctx context.Context, o Options, d Deps, name journal.Operation, really, dry func(*run, context.Context) error) (outcome.Report, error) {
	r, err := newRun(o, d, name)
	switch {
	case err != nil:
	case o.DryRun:
		err = dry(r, ctx)
	default:
		err = r.underLock(ctx, really)
	}
	return *r.report, r.conclude(err)
}

func newRun(o Options, d Deps, name journal.Operation) (*run, error) {
	o.Reset = cmp.Or(o.Reset, journal.ResetSmart)
	if d.Screen == nil {
		d.Screen = ui.New(io.Discard, ui.Options{Quiet: true})
	}
	if d.Reached == nil {
		d.Reached = func(string) {}
	}
	now := time.Now()
	r := &run{Options: o, Deps: d, began: now, id: strconv.FormatInt(now.UnixNano(), 36), crowded: !o.Fast && pace.Crowded(), report: outcome.New(o.App.Name, name, o.Ref, o.DryRun)}
	var err error
	r.store, err = release.Open(o.App.Releases)
	return r, err
}

func (r *run) underLock(ctx context.Context, do func(*run, context.Context) error) error {
	if err := r.refuseOthers(); err != nil {
		return err
	}
	holder := lock.ThisProcess(r.Command)
	l, err := lock.Acquire(ctx, r.App.LockFile(), holder)
	if err != nil {
		return err
	}
	r.journal = journal.Journal{App: r.App.Name, Operation: r.report.Operation, ID: r.id, Ref: r.Ref, Reset: r.Reset, APCu: r.APCu, Holder: holder, Started: r.began}
	err = do(r, ctx)
	return errors.Join(err, l.Release())
}

// refuseOthers refuses root folders that others could change: hooks run in a release, and
// what is renamed in the map's folder would land where its owner leads it.
func (r *run) refuseOthers() error {
	for _, one := range []struct{ what, path string }{{"releases", r.App.Releases}, {"map", r.App.Map}} {
		if one.path == "" {
			continue
		}
		if err := trust.CheckForRoot(one.path); err != nil {
			return hint.With(fmt.Errorf("%s %s is not root's alone: %w", one.what, one.path, err), "let root own it, or deploy as its owner")
		}
	}
	return nil
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
	now := apps.ReadServing(r.App.Instances, r.App.RealReleases())
	r.report.Failed(err, now)
	if errors.Is(err, exit.ErrUsage) || errors.Is(err, exit.ErrLocked) || len(now) == 0 {
		return err
	}
	return fmt.Errorf("%w\nnow: %s", err, apps.DescribeServing(now))
}
