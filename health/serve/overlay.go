package serve

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"relink/health"
	"relink/opcache/report"
)

// overlay completes a cheap look with what only a full one sees. Figures of
// scripts are those of the full look; what could have changed since with a link,
// a deploy or a restart is not judged again until the next one.
func overlay(now, full health.Facts) health.Facts {
	now.Report = overlayReport(now.Report, full.Report)
	now.Masters = slices.Clone(now.Masters)
	for i := range now.Masters {
		if now.Report != nil && i < len(now.Report.Masters) {
			now.Masters[i].MasterReport = now.Report.Masters[i]
		}
	}
	if fingerprint(now) != fingerprint(full) {
		return now
	}
	now.Cheap = false
	for i := range now.Masters {
		now.Masters[i].ControlTimeout, now.Masters[i].ControlErr = full.Masters[i].ControlTimeout, full.Masters[i].ControlErr
	}
	now.Apps = slices.Clone(now.Apps)
	for i := range now.Apps {
		a, seen := &now.Apps[i], &full.Apps[i]
		a.Prunable, a.Fronts, a.FrontErr, a.Old, a.CacheErr = seen.Prunable, seen.Fronts, seen.FrontErr, seen.Old, seen.CacheErr
		if a.ReleaseErr == nil {
			a.ReleaseErr = seen.ReleaseErr
		}
	}
	return now
}

// fingerprint changes with each link, deploy, FPM master and restart of a cache.
func fingerprint(f health.Facts) uint64 {
	h := fnv.New64a()
	for i := range f.Apps {
		a := &f.Apps[i]
		fmt.Fprintln(h, a.Name, a.Locked != nil, a.DeployErr != nil)
		if a.Pending != nil {
			fmt.Fprintln(h, a.Pending.Phase, a.Pending.Since)
		}
		if a.Last != nil {
			fmt.Fprintln(h, a.Last.ID, a.Last.Time.UnixNano())
		}
		for _, one := range a.Instances {
			h.Write([]byte(one.Name + "\x00" + one.Real + "\x00"))
		}
	}
	for i := range f.Masters {
		m := &f.Masters[i]
		fmt.Fprintln(h, m.Name, m.Err != nil, instant(m.Started), instant(m.LastRestart))
	}
	return h.Sum64()
}

func instant(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

func overlayReport(now, full *report.Report) *report.Report {
	if now == nil || full == nil {
		return now
	}
	merged := *now
	merged.SavedBytes, merged.SavedKeys, merged.UnsharedBytes = 0, 0, 0
	merged.Masters = slices.Clone(now.Masters)
	for i := range merged.Masters {
		m := &merged.Masters[i]
		if at := slices.IndexFunc(full.Masters, func(o report.MasterReport) bool { return notEmptied(&o, m) }); at >= 0 {
			overlayMaster(m, &full.Masters[at])
		}
		merged.SavedBytes += m.SavedBytes
		merged.SavedKeys += m.SavedKeys
		merged.UnsharedBytes += m.UnsharedBytes
	}
	merged.Applications = overlayApplications(now.Applications, full.Applications)
	merged.Outside = full.Outside
	return &merged
}

// notEmptied tells whether it is one cache, and has not been emptied in between.
func notEmptied(before, now *report.MasterReport) bool {
	return before.Name == now.Name && now.Error == nil && before.Error == nil &&
		instant(before.Started) == instant(now.Started) && instant(before.LastRestart) == instant(now.LastRestart)
}

// overlayMaster keeps the sums that the report promises: what was used since
// shows as unexplained, what was wasted since as replaced.
func overlayMaster(m, seen *report.MasterReport) {
	fresh := m.Memory
	m.Memory = seen.Memory
	m.Memory.TotalBytes, m.Memory.UsedBytes, m.Memory.FreeBytes, m.Memory.WastedBytes = fresh.TotalBytes, fresh.UsedBytes, fresh.FreeBytes, fresh.WastedBytes
	m.Memory.UsedRatio, m.Memory.FreeRatio, m.Memory.WastedRatio = fresh.UsedRatio, fresh.FreeRatio, fresh.WastedRatio
	used, wasted := fresh.UsedBytes-seen.Memory.UsedBytes, fresh.WastedBytes-seen.Memory.WastedBytes
	m.Memory.OverheadBytes += used
	m.Memory.UnexplainedBytes += used
	m.Memory.ReplacedBytes += wasted
	m.Scripts, m.Idle = seen.Scripts, seen.Idle
	m.SavedBytes, m.SavedKeys = seen.SavedBytes, seen.SavedKeys
	m.UnsharedBytes = m.Memory.UsedBytes + m.SavedBytes
	m.Forecast, m.Advice = seen.Forecast, seen.Advice
}

// overlayApplications takes the instances from now and what caches hold from the
// full look.
func overlayApplications(now, full []report.ApplicationReport) []report.ApplicationReport {
	merged := slices.Clone(now)
	for i := range merged {
		a := &merged[i]
		at := slices.IndexFunc(full, func(o report.ApplicationReport) bool { return o.Name == a.Name })
		if at < 0 {
			continue
		}
		a.SavedBytes, a.SavedKeys = full[at].SavedBytes, full[at].SavedKeys
		a.Releases = slices.Clone(a.Releases)
		for _, held := range full[at].Releases {
			n := slices.IndexFunc(a.Releases, func(r report.ReleaseReport) bool { return r.Folder == held.Folder })
			if n < 0 {
				held.Instances = []string{}
				a.Releases = append(a.Releases, held)
				continue
			}
			held.Instances = a.Releases[n].Instances
			a.Releases[n] = held
		}
	}
	return merged
}
