package report

import (
	"cmp"
	"slices"
	"time"

	"relink/opcache"
)

// Need is what a release takes from a cache that does not hold it yet.
type Need struct {
	Bytes       int64 `json:"bytes"`                 // of memory
	Keys        int64 `json:"keys"`                  // one for each script
	StringBytes int64 `json:"interned_string_bytes"` // of the interned strings buffer
}

// ForecastFigures are what a forecast for one cache is made from.
type ForecastFigures struct {
	FreeBytes       int64
	FreeKeys        int64
	FreeStringBytes int64
	// FreshBytes and FreshKeys are what is in use right after a restart, once
	// what is live now has been compiled again.
	FreshBytes int64
	FreshKeys  int64
	Apps       []AppForecast // without what is forecast
}

// ForecastReport is what further deploys will need.
type ForecastReport struct {
	FreshBytes   int64         `json:"fresh_bytes"` // in use right after a restart
	FreshKeys    int64         `json:"fresh_keys"`  // in use right after a restart
	Applications []AppForecast `json:"applications"`
	Day          *Plan         `json:"day"`  // nil: no deploy is recorded
	Week         *Plan         `json:"week"` //
}

// AppForecast is for one application whose release this cache holds.
type AppForecast struct {
	App            string `json:"app"`
	Release        string `json:"release"` // the one that is live on most instances
	Next           Need   `json:"next"`
	FurtherDeploys int64  `json:"further_deploys"`                  // that fit before a restart
	LimitedBy      string `json:"limited_by"`                       // "memory" or "keys"
	StringDeploys  int64  `json:"further_deploys_interned_strings"` // that fit into the interned strings buffer: a full one stops nothing

	deploys []time.Time // recorded, in any order
}

// Plan is what makes restarts unnecessary between two that are as far apart.
type Plan struct {
	Deploys             int   `json:"deploys"`                  // in the busiest such time on record
	MemoryBytes         int64 `json:"memory_consumption_bytes"` // opcache.memory_consumption
	MaxAcceleratedFiles int64 `json:"max_accelerated_files"`    // opcache.max_accelerated_files
}

// Predict makes the forecast. Entries are never freed before a restart, so that
// every deploy takes the whole next release from what is free; that the old one
// turns into waste gives nothing back.
func Predict(f ForecastFigures) ForecastReport {
	r := ForecastReport{FreshBytes: f.FreshBytes, FreshKeys: f.FreshKeys, Applications: []AppForecast{}}
	for _, app := range f.Apps {
		app.FurtherDeploys, app.LimitedBy = fits(f.FreeBytes-MinFreeBytes, app.Next.Bytes), "memory"
		if byKeys := fits(f.FreeKeys, app.Next.Keys); byKeys < app.FurtherDeploys {
			app.FurtherDeploys, app.LimitedBy = byKeys, "keys"
		}
		app.StringDeploys = fits(f.FreeStringBytes, app.Next.StringBytes)
		r.Applications = append(r.Applications, app)
	}
	r.Day, r.Week = f.plan(24*time.Hour), f.plan(7*24*time.Hour)
	return r
}

// MinFreeBytes is the free memory below which OPcache calls itself full
// (MIN_FREE_MEMORY in zend_shared_alloc.c).
const MinFreeBytes = 64 << 10

func fits(free, need int64) int64 {
	return max(free, 0) / max(need, 1)
}

// plan sums up what the busiest time of that length needs on top of a fresh cache.
func (f ForecastFigures) plan(length time.Duration) *Plan {
	type deploy struct {
		at time.Time
		Need
	}
	var all []deploy
	for _, app := range f.Apps {
		for _, at := range app.deploys {
			all = append(all, deploy{at, app.Next})
		}
	}
	slices.SortFunc(all, func(x, y deploy) int { return x.at.Compare(y.at) })
	var now, most Need
	count, mostCount, first := 0, 0, 0
	for _, d := range all {
		now, count = Need{Bytes: now.Bytes + d.Bytes, Keys: now.Keys + d.Keys}, count+1
		for !d.at.Before(all[first].at.Add(length)) {
			now, count = Need{Bytes: now.Bytes - all[first].Bytes, Keys: now.Keys - all[first].Keys}, count-1
			first++
		}
		most = Need{Bytes: max(most.Bytes, now.Bytes), Keys: max(most.Keys, now.Keys)}
		mostCount = max(mostCount, count)
	}
	if mostCount == 0 {
		return nil
	}
	return &Plan{Deploys: mostCount, MemoryBytes: roundUp(f.FreshBytes + most.Bytes + MinFreeBytes), MaxAcceleratedFiles: maxFiles(f.FreshKeys + most.Keys)}
}

// memoryStep is what a suggested opcache.memory_consumption is a multiple of.
const memoryStep = 8 << 20

func roundUp(bytes int64) int64 { return (bytes + memoryStep - 1) / memoryStep * memoryStep }

// primes are the sizes of the key table: opcache.max_accelerated_files is
// rounded up to one of them (prime_numbers in zend_accelerator_hash.c; the
// smaller ones are below the directive's minimum of 200).
var primes = []int64{223, 463, 983, 1979, 3907, 7963, 16229, 32531, 65407, 130987, 262237, 524521, 1048793}

// largestMaxFiles is the directive's maximum (MAX_ACCEL_FILES).
const largestMaxFiles = 1000000

// maxFiles is the value of opcache.max_accelerated_files that has room for the keys.
func maxFiles(keys int64) int64 {
	for _, prime := range primes {
		if keys <= prime {
			return min(prime, largestMaxFiles)
		}
	}
	return largestMaxFiles
}

// needOf is what the next release needs, from the one that is live.
//
// Bytes: a release has paths of its own, so that every script is compiled again
// whether it changed or not. Keys: one for each script; the literal keys of the
// links stay and are turned to the new release (measured on 8.2.36). Strings:
// two path names for each script (measured), and of the rest what changed.
func needOf(live, attached, scripts, pathBytes, strings int64, changed *float64) Need {
	n := Need{Bytes: live + attached, Keys: scripts, StringBytes: 2 * (pathBytes + stringBytes*scripts)}
	if changed != nil {
		n.StringBytes += int64(*changed * float64(strings))
	}
	return n
}

// stringBytes is a zend_string without its text, its end and alignment, and its
// place in the table.
const stringBytes = 40

// forecastFigures are those of one master.
func (b *builder) forecastFigures(i int) ForecastFigures {
	s, m, dead := &b.now.Masters[i].Status, &b.report.Masters[i].Memory, b.sums[i].DeadScripts
	// What scripts that are gone have left: their alignment and their part of the unexplained.
	left := alignmentBytes*dead + b.share(i, m.WastedBytes)
	f := ForecastFigures{
		FreeBytes: s.Memory.Free, FreeKeys: s.Statistics.MaxCachedKeys - s.Statistics.CachedKeys, FreeStringBytes: s.Strings.Free,
		FreshBytes: s.Memory.Used - left, FreshKeys: s.Statistics.CachedKeys - dead,
	}
	for at, app := range b.places.apps {
		if one := b.liveRelease(at, i); one != nil {
			h := one.masters[i]
			used := int64(float64(s.Strings.Used) * opcache.Ratio(h.LiveBytes, m.LiveBytes+m.WastedBytes))
			f.Apps = append(f.Apps, AppForecast{App: app.Name, Release: one.id, deploys: app.Deploys,
				Next: needOf(h.LiveBytes, b.attached(i, h), h.LiveScripts, h.pathBytes, used, app.Changed)})
		}
	}
	return f
}

// liveRelease is the release of an application that most instances are on.
func (b *builder) liveRelease(app, master int) *release {
	var found *release
	for _, one := range b.places.releases {
		if one.app != app || len(one.instances) == 0 || !one.liveOn(master) {
			continue
		}
		if found == nil || cmp.Or(cmp.Compare(len(one.instances), len(found.instances)), cmp.Compare(one.folder, found.folder)) > 0 {
			found = one
		}
	}
	return found
}
