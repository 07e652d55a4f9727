package page

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"

	"relink/opcache/report"
)

// colours is how many releases of a cache have a colour of their own.
const colours = 6

type cacheView struct {
	ID, Name                             string
	Error                                string
	Down                                 []report.PoolDown
	Enabled, CacheFull, Restarting       bool
	Memory                               report.MemoryReport
	SavedBytes, SavedKeys, UnsharedBytes int64
	Bar                                  template.HTML
	Rows                                 []memoryRow
	Without                              template.HTML // what would be needed without sharing, on one scale with what there is
}

// memoryRow is one colour of the bar.
type memoryRow struct {
	Class     string
	App, What string
	Instances int
	Bytes     int64
	Scripts   int64
	Dead      int64 // bytes, part of what is wasted
	Saved     int64
	Release   bool
}

func memoryRegion(s Snapshot) region {
	v := region{id: "memory", part: "cache", view: struct{ Unread, Incomplete bool }{s.Caches == nil, s.Caches != nil && !s.Caches.Complete}}
	if s.Caches == nil {
		return v
	}
	for i := range s.Caches.Masters {
		m := &s.Caches.Masters[i]
		one := cacheOf(s.Caches, m)
		v.parts = append(v.parts, part{id: idOf("cache", m.Name), from: one, view: func() any { return one }})
	}
	return v
}

func cacheOf(r *report.Report, m *report.MasterReport) cacheView {
	v := cacheView{ID: idOf("cache", m.Name), Name: m.Name}
	if m.Error != nil {
		v.Error = *m.Error
		return v
	}
	v.Down, v.Enabled, v.CacheFull, v.Restarting = m.Down, m.Enabled, m.CacheFull, m.RestartPending || m.RestartInProgress
	v.Memory, v.SavedBytes, v.SavedKeys, v.UnsharedBytes = m.Memory, m.SavedBytes, m.SavedKeys, m.UnsharedBytes
	v.Rows = memoryRows(r, m)
	var segments []segment
	for _, row := range v.Rows {
		segments = append(segments, segment{class: row.Class, size: float64(row.Bytes)})
	}
	v.Bar = bar("tall", float64(m.Memory.TotalBytes), 0, stack(segments)...)
	if m.SavedBytes > 0 {
		used, total, unshared := float64(m.Memory.UsedBytes), float64(m.Memory.TotalBytes), float64(m.UnsharedBytes)
		scale := max(total, unshared)
		v.Without = bar("thin", scale, 3, segment{"part-used", 0, used}, segment{"part-saved", used, unshared - used}, segment{"mark", total, scale / 1e6})
	}
	return v
}

// memoryRows add up to the whole memory.
func memoryRows(r *report.Report, m *report.MasterReport) []memoryRow {
	rows, live := releaseRows(r, m)
	if outside := m.Memory.LiveBytes - live; outside > 0 {
		rows = append(rows, memoryRow{Class: "part-outside", What: "scripts of no release", Bytes: outside})
	}
	return append(rows,
		memoryRow{Class: "part-overhead", What: "OPcache's own (strings, keys, alignment)", Bytes: m.Memory.OverheadBytes},
		memoryRow{Class: "part-wasted", What: "wasted, until a restart", Bytes: m.Memory.WastedBytes},
		memoryRow{Class: "part-free", What: "free", Bytes: m.Memory.FreeBytes})
}

func releaseRows(r *report.Report, m *report.MasterReport) (rows []memoryRow, live int64) {
	for _, app := range r.Applications {
		for _, release := range newestFirst(app.Releases) {
			for _, held := range release.Masters {
				if held.Name != m.Name || held.LiveBytes == 0 && held.DeadBytes == 0 {
					continue
				}
				live += held.LiveBytes
				rows = append(rows, memoryRow{
					Class: fmt.Sprintf("colour-%d", min(len(rows), colours)), App: app.Name, What: release.Release, Instances: len(release.Instances), Release: true,
					Bytes: held.LiveBytes, Scripts: held.LiveScripts, Dead: held.DeadBytes, Saved: savedIn(release, held),
				})
			}
		}
	}
	return rows, live
}

// newestFirst is the order that instances are grouped in too, so that the
// releases of the first application have the same colours in both places.
func newestFirst(releases []report.ReleaseReport) []report.ReleaseReport {
	return slices.SortedStableFunc(slices.Values(releases), func(a, b report.ReleaseReport) int { return cmp.Compare(b.Release, a.Release) })
}

// savedIn is a cache's part of what sharing a release saves, by its part of the
// release's live bytes.
func savedIn(release report.ReleaseReport, held report.MasterHolding) int64 {
	if release.LiveBytes == 0 {
		return 0
	}
	return int64(float64(release.SavedBytes) * float64(held.LiveBytes) / float64(release.LiveBytes))
}
