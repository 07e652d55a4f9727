package deploy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"relink/deploy/front"
	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/outcome"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/links"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/restart"
)

// check asks every instance that has a check, and compares the front pages of the
// others with what they were before the switch.
func (r *run) check(instances []config.Instance, before map[string]front.Page, atOnce int) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		checked := slices.DeleteFunc(slices.Clone(instances), func(i config.Instance) bool { return !i.Checked() })
		asked, err := len(checked), front.Check(ctx, checked, atOnce)
		if others := front.Compared(instances); len(others) > 0 && len(before) > 0 {
			asked += len(others)
			err = errors.Join(err, front.Worse(others, before, front.Pages(ctx, others, atOnce)))
		}
		if ctx.Err() != nil {
			return "", ctx.Err() // the signal failed the check, not the release
		}
		return ui.PluralOrNone(asked, "instance"), err
	}
}

// settle ends when every worker has been swept, or settle_timeout has passed.
// What it returns are the moves of which that is not proven: they stay in the
// journal, for the next recovery.
func (r *run) settle(seen change, needed moves.Plan) step[moves.Plan] {
	return func(ctx context.Context) (moves.Plan, string, error) { return r.settleBy(ctx, seen, needed) }
}

func (r *run) settleBy(ctx context.Context, seen change, needed moves.Plan) (unsettled moves.Plan, summary string, err error) {
	switch {
	case seen.cut == nil && r.Reset == journal.ResetNever:
		return moves.NeverSettled(needed, r.journal.Unsettled), "", nil
	case seen.cut == nil:
		return nil, "", nil
	}
	update, end := r.Screen.Following("settle", "workers")
	defer end()
	result, err := seen.cut.Settle(ctx, update)
	r.report.Regained, r.report.APCu = r.report.Regained+result.Regained, r.report.APCu.And(result.APCu)
	r.report.Sweep.Settled = result.Workers
	r.report.Sweep.Left(append(slices.Clone(result.Stale), seen.pinned...), result.Unproven)
	if err == nil {
		err = opcache.Unsettled(result, seen.pinned, r.finishing())
	}
	r.journal.Stale = r.report.Sweep.Stale
	if err != nil {
		return moves.StillUnsettled(needed, r.journal.Unsettled), "", err
	}
	return nil, fmt.Sprintf("%s, %d scripts had come back", ui.Plural(result.Workers, "worker"), result.Regained), nil
}

// retire invalidates what is left of releases that no link leads to.
func (r *run) retire(cut Switch) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if cut == nil {
			return "", nil
		}
		return r.retireBy(ctx, cut, links.OutsideSlots(r.unused()))
	}
}

func (r *run) retireBy(ctx context.Context, cut Switch, unused []string) (string, error) {
	result, err := cut.Retire(ctx, unused)
	r.report.Retired = result.Invalidated
	if result.Skipped != "" {
		return "later: " + result.Skipped, err
	}
	return fmt.Sprintf("%s of %s", ui.Plural(result.Invalidated, "script"), ui.Plural(len(unused), "release")), err
}

// unused lists the folders of releases that no link leads to: those in the
// releases folder, and those that the links led to before they were taken over.
func (r *run) unused() []string { return r.unusedAfter(nil) }

// unusedAfter lists those that no link leads to once the plan is carried out.
func (r *run) unusedAfter(plan moves.Plan) []string {
	live := r.App.InUseAfter(plan)
	folders := live.Unused()
	for _, move := range slices.Concat(r.journal.Moves, r.journal.Unsettled) {
		if move.From.Exists() {
			folders = append(folders, r.App.ReleaseDir(move.From.Release))
		}
	}
	slices.Sort(folders)
	return slices.DeleteFunc(slices.Compact(folders), live.Serves)
}

// done ends the journal with a line of history. What is not settled stays in
// the journal.
func (r *run) done(setUp opcache.Addressing, unsettled moves.Plan) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		if err := journal.Record(r.App.HistoryFile(), r.event(setUp, "")); err != nil {
			return "", err
		}
		return "", r.forget(unsettled)
	}
}

func (r *run) event(setUp opcache.Addressing, undone string) journal.Event {
	return journal.Event{
		ID: r.journal.ID, Time: time.Now().UTC().Truncate(time.Millisecond), Operation: r.journal.Operation,
		Release: r.journal.Release, Ref: r.journal.Ref, Moves: r.journal.Moves, Undone: undone,
		Stale: r.journal.Stale, User: r.journal.Holder.User,
		Steps: r.report.Steps, CutoverMS: r.report.CutoverMS, Restart: r.report.Restart.Action, SavedBytes: r.report.SavedBytes, SetUp: setUp,
	}
}

// interruptedLive ends a run that a signal stopped once the release was live.
func (r *run) interruptedLive(id string) error {
	err := exit.As(exit.ErrInterrupted, fmt.Errorf("interrupted: %s is live, but it is not proven that every worker has left the old release", filepath.Base(id)))
	return hint.With(err, "%s: it finishes what is left", r.finishing())
}

// finishing says how what this run could not finish is finished later.
func (r *run) finishing() string {
	if r.report.Operation == journal.OperationRefresh {
		return "run the same command again"
	}
	return `run "relink recover"`
}

// ask notes, right before the switch, how the front pages are answered.
func (r *run) ask(instances []config.Instance, atOnce int) step[map[string]front.Page] {
	return func(ctx context.Context) (map[string]front.Page, string, error) {
		asked := front.Compared(instances)
		if len(asked) == 0 {
			return nil, "", nil
		}
		pages := front.Pages(ctx, asked, atOnce)
		for _, instance := range asked {
			if pages[instance.Name].Well() {
				r.journal.Well = append(r.journal.Well, instance.Name) // a recovery compares too
			}
		}
		return pages, fmt.Sprintf("%d of %d front pages are well", len(r.journal.Well), len(asked)), ctx.Err()
	}
}

// restart decides whether the cache has to be restarted, and does it if it is
// quiet; with --reset always the decision is made already. What is put off stays
// in the state folder, for the next command or the service.
func (r *run) restart(caches Caches, id string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if caches == nil {
			return "", nil
		}
		// No earlier reading: the hit rate since would be that of the warm. What is
		// preloaded was renewed with the switch, unless somebody else moved the links.
		upkeep := restart.Maintenance{
			Thresholds: r.Thresholds, Release: r.App.ReleaseDir(id), Unused: r.unused(),
			Queue: r.ledger(), Moved: r.report.Operation == journal.OperationRefresh,
		}
		if r.Reset == journal.ResetAlways {
			upkeep.Always = "--reset always"
		}
		result, err := caches.Keep(ctx, upkeep)
		r.report.Restarted(result)
		r.report.SharedBy, r.report.LiveBytes = r.App.On(id, r.App.InUse()), result.Held.Bytes
		r.report.SavedBytes = opcache.Saved(r.report.SharedBy, result.Held) // before what was restarted was
		if err != nil {
			return "", err
		}
		usage, err := caches.Usage(ctx)
		r.report.Memory.After = outcome.MemoryOf(usage)
		return result.Action(), err
	}
}
