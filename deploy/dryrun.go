package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"relink/deploy/release"
	"relink/internal/ui"
	"relink/opcache"
)

// A dry run reads and says; it takes no lock, writes nothing, and calls a pool only
// where the agent is installed already.

func (r *run) dryDeploy(ctx context.Context) error {
	if err := r.dryState(); err != nil {
		return err
	}
	if _, err := r.resolve(ctx); err != nil {
		return err
	}
	if same, err := r.sameAlready(); err != nil || same.ID != "" {
		r.report.Release, r.to = same.ID, r.everywhere(r.App.destination(same.ID))
		r.would("take %s, which other instances are on already", same.ID)
		return errors.Join(err, r.drySwitch(ctx))
	}
	id := r.store.NewID(time.Now(), r.resolved.Label)
	r.report.Release, r.to, r.made = id, r.everywhere(r.App.destination(id)), []string{id}
	r.would("fetch %s (%s, %s) into %s", r.Ref, r.resolved.Description, ui.Bytes(r.resolved.Bytes), r.store.Path(id))
	for _, entry := range r.App.Shared {
		r.would("link %s of the release to %s", entry, r.App.SharedDir)
	}
	r.wouldRun("build", r.App.Hooks.Build)
	return r.drySwitch(ctx)
}

func (r *run) dryRollback(ctx context.Context) error {
	if err := r.dryState(); err != nil {
		return err
	}
	if err := r.findTargets(); err != nil {
		return err
	}
	r.report.Release = commonest(r.to)
	return r.drySwitch(ctx)
}

// lastSetUp is the set-up of the application at its last deploy, "" where none is
// known.
func (a App) lastSetUp() (opcache.Addressing, error) {
	last, err := LastEvents(a.historyFile(), 1)
	if err != nil || len(last) == 0 {
		return "", err
	}
	return last[0].SetUp, nil
}

// drySeparate takes the set-up of the last deploy for true: a dry run asks nobody.
func (r *run) drySeparate() error {
	var err error
	if r.addressing, err = r.App.lastSetUp(); err != nil {
		return err
	}
	chosen := len(r.Instances)
	err = r.apart(func(of string) (Destination, error) {
		id := r.store.NewID(time.Now(), r.labelOf(of))
		r.would("repeat %s as %s, a new folder of hard links: a path that a link has left must not serve again", of, id)
		return r.App.destination(id), nil
	})
	if err == nil && r.report.Operation == OperationRollback {
		r.report.Release = commonest(r.to[:chosen])
	}
	return err
}

func (r *run) dryRecover(context.Context) error { return r.dryState() }

// dryState is what recover and preflight would meet.
func (r *run) dryState() error {
	if err := lockedNow(r.App.lockFile()); err != nil {
		return err
	}
	left, err := readJournal(r.App.journalFile())
	if err != nil {
		return err
	}
	if left != nil {
		r.would("%s the interrupted %s of %s first (phase %s)", left.direction(), left.Operation, left.Release, left.Phase)
		r.unsettled = stillUnsettled(left.Moves, left.Unsettled)
	}
	if r.report.Operation == OperationRecover {
		return nil
	}
	return r.readLinks()
}

func (j Journal) direction() string {
	switch {
	case j.Phase.Forward():
		return "finish"
	case j.Phase == PhaseSwitching:
		return "undo"
	}
	return "clean up after"
}

func (r *run) drySwitch(ctx context.Context) error {
	if err := r.drySeparate(); err != nil {
		return err
	}
	if err := r.planMoves(); err != nil {
		return err
	}
	if r.Reset == ResetSmart {
		r.would("compile, in the caches of %s, the scripts that are in use now", r.poolNames())
	}
	if len(r.App.Assets) > 0 {
		r.would("give the release the files that only other releases have in %s, and them those of the release", strings.Join(r.App.Assets, ", "))
	}
	r.wouldRun("before_switch", r.App.Hooks.BeforeSwitch)
	for _, move := range r.plan {
		r.wouldMove(move)
	}
	reloads, err := r.wouldRenew(ctx)
	if err != nil {
		return err
	}
	r.wouldClear()
	if !reloads && r.Reset == ResetSmart {
		r.would("restart no process, unless OPcache runs out of room")
	}
	r.wouldRun("after_switch", r.App.Hooks.AfterSwitch)
	return r.wouldPrune()
}

func (r *run) would(format string, args ...any) {
	r.report.Would = append(r.report.Would, fmt.Sprintf(format, args...))
}

func (r *run) wouldRun(hook string, commands []string) {
	for _, command := range commands {
		r.would("run the %s hook: %s", hook, command)
	}
}

func (r *run) wouldMove(move Move) {
	switch {
	case !move.Needed():
		r.would("leave %s as it is: %s -> %s", move.Instance, move.Link, move.From.Literal)
	case move.Stays:
		r.would("move %s along, to the same release under its new path: %s -> %s, now %s", move.Instance, move.Link, move.To.Literal, move.From.Literal)
	case move.From.Exists():
		r.would("move %s: %s -> %s, now %s", move.Instance, move.Link, move.To.Literal, move.From.Literal)
	default:
		r.would("create %s: %s -> %s", move.Instance, move.Link, move.To.Literal)
	}
}

func (r *run) wouldClear() {
	if r.Reset == ResetNever {
		r.would("leave the caches alone: OPcache keeps serving %s until PHP-FPM is restarted", orNone(r.report.Previous))
		return
	}
	if r.addressing == opcache.Resolved {
		r.would("leave the caches as they are: the web server sends real paths")
	} else {
		r.would("clear the realpath cache of every worker of %s", r.poolNames())
	}
	if !r.addressing.Reuses() {
		r.would("invalidate all that OPcache holds of %s", orNone(r.report.Previous))
	}
	if r.Reset == ResetAlways {
		r.would("restart OPcache at a quiet moment")
	}
}

func (r *run) poolNames() string {
	if len(r.Pools) == 0 {
		return "the pools of the running FPM masters"
	}
	return strings.Join(r.Pools, ", ")
}

// wouldPrune counts with the releases as they will be.
func (r *run) wouldPrune() error {
	releases, err := r.afterwards()
	if err != nil {
		return err
	}
	live, err := r.App.InUse()
	if err != nil {
		return err
	}
	for _, move := range r.plan {
		live.Links[move.Place] = move.To.Real
	}
	for _, one := range release.Prunable(releases, live.IDs(), r.inUse(), r.App.Keep) {
		r.would("remove release %s", one.ID)
	}
	return nil
}

func (r *run) afterwards() ([]release.Release, error) {
	releases, err := r.store.List()
	if r.report.Operation == OperationDeploy {
		coming := release.Manifest{ID: r.report.Release, Created: time.Now()}
		releases = append([]release.Release{{Manifest: coming, Sealed: true}}, releases...)
	}
	return releases, err
}

func (r *run) dryPrune(result *Pruned) error {
	removable, err := r.removable()
	for _, one := range removable {
		result.Removed = append(result.Removed, PrunedRelease{one.ID, one.Bytes})
	}
	return err
}
