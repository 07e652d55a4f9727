package report

import (
	"cmp"
	"slices"
	"strings"

	"relink/php"
)

// Build makes the report of a sample. before are the counters at the beginning
// of the window, nil if there are none. Build keeps now's scripts.
func Build(now Sample, before *Totals, apps []Application, o Options) *Report {
	r := &Report{Version: Version, Time: now.Time.UTC(), Complete: true, Masters: make([]MasterReport, len(now.Masters)), apps: apps}
	o.MinRequests = cmp.Or(max(o.MinRequests, 0), DefaultMinRequests)
	b := &builder{now: now, before: before, places: newPlaces(apps), options: o, report: r}
	b.readScripts()
	r.Applications = b.applications()
	for i := range now.Masters {
		b.master(i)
		m := &r.Masters[i]
		r.Complete = r.Complete && m.Error == nil && len(m.Down) == 0
		r.MemoryBytes += m.Memory.TotalBytes
		r.SavedBytes += m.SavedBytes
		r.SavedKeys += m.SavedKeys
		r.UnsharedBytes += m.UnsharedBytes
	}
	r.Outside = b.outsideFolders()
	if o.Top > 0 {
		r.Top = r.top(cmp.Or(o.TopBy, ByBytes), o.TopFolders, o.Top)
	}
	return r
}

// builder holds what is added up on the way.
type builder struct {
	now     Sample
	before  *Totals
	places  *places
	options Options
	report  *Report

	sums    []holding       // of all scripts, by master
	agents  []int64         // bytes of relink's own live script, by master
	windows []*MasterTotals // what the window of each master begins with; nil: unknown
	gaps    []string        // why it is unknown
}

func (b *builder) readScripts() {
	total := 0
	for i := range b.now.Masters {
		total += len(b.now.Masters[i].Scripts)
	}
	b.report.entries = make([]entry, 0, total)
	b.sums, b.agents = make([]holding, len(b.now.Masters)), make([]int64, len(b.now.Masters))
	for i := range b.now.Masters {
		start, gap := b.windowStart(&b.now.Masters[i])
		b.windows, b.gaps = append(b.windows, start), append(b.gaps, gap)
		b.readMaster(i)
		b.report.Masters[i].Memory = memoryOf(&b.now.Masters[i], &b.sums[i].Holding)
	}
	for _, one := range b.places.releases {
		b.releaseWindows(one)
	}
}

func (b *builder) readMaster(i int) {
	scripts := b.now.Masters[i].Scripts
	for n := range scripts {
		if scripts[n].Path == preloadEntry {
			continue
		}
		e := entry{script: &scripts[n], release: b.places.of(scripts[n].Path), master: i, window: scriptWindow(b.windows[i], &scripts[n])}
		b.report.entries = append(b.report.entries, e)
		b.sums[i].add(&e)
		if e.release == nil && isAgent(e.script) {
			b.agents[i] += e.script.Memory
		}
		if e.release != nil {
			e.release.on(i, len(b.now.Masters)).add(&e)
			e.release.sum.add(&e)
		}
	}
}

// preloadEntry stands for all that opcache.preload loaded. It is no file, and
// preload_statistics tells the same bytes.
const preloadEntry = "$PRELOAD$"

// on is what a master holds of the release.
func (r *release) on(master, masters int) *holding {
	if r.masters == nil {
		r.masters = make([]*holding, masters)
	}
	if r.masters[master] == nil {
		r.masters[master] = &holding{}
	}
	return r.masters[master]
}

// scriptWindow is how often a script was hit in the window. One that was
// compiled again in between counts from 0.
func scriptWindow(start *MasterTotals, s *php.Script) int64 {
	if start == nil || start.scripts == nil {
		return unknownHits
	}
	if before := start.scripts[s.Path]; before <= s.Hits {
		return s.Hits - before
	}
	return s.Hits
}

// releaseWindows takes a release's window from the recorded sum where the hits
// of its scripts were not kept. Scripts that were compiled again lose their
// hits, so that the sum can fall: then it is not known.
func (b *builder) releaseWindows(one *release) {
	one.sum.window, one.sum.windowUnknown = 0, false
	for i, h := range one.masters {
		if h == nil {
			continue
		}
		if start := b.windows[i]; start != nil && start.scripts == nil && start.Releases[one.folder] <= h.Hits {
			h.window, h.windowUnknown = h.Hits-start.Releases[one.folder], false
		}
		one.sum.window += h.window
		one.sum.windowUnknown = one.sum.windowUnknown || h.windowUnknown
	}
}

// applications reports every application, also one without any script.
func (b *builder) applications() []ApplicationReport {
	out := make([]ApplicationReport, len(b.places.apps))
	for i, app := range b.places.apps {
		out[i] = ApplicationReport{Name: app.Name, Releases: []ReleaseReport{}, Dangling: listed(b.places.dangling[i])}
	}
	for _, one := range b.places.releases {
		if one.masters == nil && len(one.instances) == 0 {
			continue
		}
		app := &out[one.app]
		r := b.release(one)
		app.Releases = append(app.Releases, r)
		app.SavedBytes += r.SavedBytes
		app.SavedKeys += r.SavedKeys
	}
	for i := range out {
		slices.SortFunc(out[i].Releases, func(x, y ReleaseReport) int {
			if d := len(y.Instances) - len(x.Instances); d != 0 {
				return d
			}
			return strings.Compare(y.Folder, x.Folder)
		})
	}
	return out
}

func (b *builder) release(one *release) ReleaseReport {
	r := ReleaseReport{Release: one.id, Folder: one.folder, Instances: listed(one.instances), Masters: []MasterHolding{}}
	for i, h := range one.masters {
		if h == nil {
			continue
		}
		r.Masters = append(r.Masters, MasterHolding{Name: b.now.Masters[i].Name, Holding: h.report()})
		r.AttachedBytes += b.attached(i, h)
		bytes, liveBytes, keys := b.savedBy(one, i)
		r.SavedBytes, r.SavedLiveBytes, r.SavedKeys = r.SavedBytes+bytes, r.SavedLiveBytes+liveBytes, r.SavedKeys+keys
		b.report.Masters[i].SavedBytes += bytes
		b.report.Masters[i].SavedKeys += keys
	}
	r.Holding = one.sum.report()
	return r
}

// listed is a sorted list that JSON shows as [] when it is empty.
func listed(unsorted []string) []string {
	out := append([]string{}, unsorted...)
	slices.Sort(out)
	return out
}
