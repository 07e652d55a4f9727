package deploy

import (
	"context"

	"relink/deploy/journal"
	"relink/deploy/outcome"
	"relink/opcache"
	"relink/opcache/restart"
)

// restart decides whether the cache has to be restarted, and does it if it is
// quiet; with --reset always the decision is made already. What is put off stays
// in the state folder, for the next command or the service.
func (r *run) restart(caches Caches, id string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if caches == nil {
			return "", nil
		}
		if err := r.countShared(ctx, caches, id); err != nil {
			return "", err
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
		if err != nil {
			return "", err
		}
		usage, err := caches.Usage(ctx)
		r.report.Memory.After = outcome.MemoryOf(usage)
		return result.Action(), err
	}
}

// countShared measures what the instances save by sharing the release.
func (r *run) countShared(ctx context.Context, caches Caches, id string) error {
	root := r.App.ReleaseDir(id)
	held, err := caches.Footprints(ctx, []string{root})
	if err != nil {
		return err
	}
	live := r.App.InUse()
	r.report.SharedBy, r.report.LiveBytes = r.App.On(id, live), held[root].Bytes
	r.report.SavedBytes = opcache.Saved(r.report.SharedBy, held[root])
	return nil
}
