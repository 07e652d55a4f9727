package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"relink/internal/ui"
	"relink/opcache"
	"relink/php"
)

// Advice is a directive that the figures call to change. Values are written as
// in php.ini or php-fpm.conf.
type Advice struct {
	Directive string `json:"directive"` // its name
	Current   string `json:"current"`   // its value
	Suggested string `json:"suggested"` // its value, as it should be
	Reason    string `json:"reason"`    // with the figures
}

// The bounds at which advice is given.
const (
	// MemoryFloor: with less free and no release to forecast from, memory is short.
	MemoryFloor = 0.10
	// KeysBound is the fullest that the key table should be.
	KeysBound = 0.80
	// StringsBound: a full buffer makes every script keep strings of its own.
	StringsBound = 0.90
	// RealpathBound: a full realpath cache takes no more paths until entries expire.
	RealpathBound = 0.90
	// growth is the room that a suggestion leaves above what is needed.
	growth = 1.25
)

// advised is one cache with what its advice is made from beside its report.
type advised struct {
	*MasterReport
	settings       php.Configuration
	realpathUsed   int64          // by the worker that was asked
	liveReleases   int            // immutable releases that instances are on
	controlTimeout *time.Duration // process_control_timeout; nil: not known
}

// advise gives the advice that the figures call for, and no other.
func advise(f advised) []Advice {
	all := []Advice{f.memory(), f.keys(), f.strings(), f.realpath()}
	add := func(called bool, directive, current, suggested, reason string) {
		if called {
			all = append(all, Advice{directive, current, suggested, reason})
		}
	}
	protection := f.settings.FileUpdateProtection
	add(protection != 0 && f.liveReleases > 0, "opcache.file_update_protection", strconv.FormatInt(int64(protection/time.Second), 10), "0",
		fmt.Sprintf("files younger than %s are not cached, so that the warm of a new release has to wait; releases are complete before they are linked", ui.Duration(protection)))
	add(f.settings.ValidateTimestamps && f.liveReleases > 0, "opcache.validate_timestamps", "1", "0",
		ui.Plural(f.liveReleases, "live release")+" cannot change, yet their files' times are asked again and again")
	add(f.controlTimeout != nil && *f.controlTimeout == 0, "process_control_timeout", "0", "10s", "an FPM reload kills the requests that are running")
	return slices.DeleteFunc(all, func(a Advice) bool { return a.Directive == "" })
}

func (f advised) memory() Advice {
	reason, total := f.memoryShort(), f.Memory.TotalBytes
	need := f.Forecast.FreshBytes + 2*f.largestNeed().Bytes + MinFreeBytes
	if f.Restarts.OOM > 0 || len(f.Forecast.Applications) == 0 {
		need = max(need, int64(float64(total)*growth))
	}
	if f.Forecast.Day != nil {
		need = max(need, f.Forecast.Day.MemoryBytes)
	}
	suggested := roundUp(need)
	// Where waste fills the memory, a restart is the cure and not a larger memory.
	if reason == "" || total == 0 || suggested <= total {
		return Advice{}
	}
	return Advice{"opcache.memory_consumption", megabytes(total), megabytes(suggested), reason}
}

// memoryShort tells why the memory is too small, or "".
func (f advised) memoryShort() string {
	next, free := f.largestNeed().Bytes, f.Memory.FreeBytes
	part := opcache.Ratio(free, f.Memory.TotalBytes)
	switch {
	case f.Restarts.OOM > 0:
		return fmt.Sprintf("memory ran out %s since PHP was started, and OPcache was restarted under load each time", times(f.Restarts.OOM))
	case f.CacheFull && f.Keys.Used < f.Keys.Max:
		return fmt.Sprintf("the cache is full with %s free: new scripts run uncached", ui.Bytes(free))
	case next > 0 && free < next+MinFreeBytes:
		return fmt.Sprintf("%s are free, the next release needs %s", ui.Bytes(free), ui.Bytes(next))
	case next == 0 && part < MemoryFloor:
		return fmt.Sprintf("only %s are free (%s)", ui.Bytes(free), ui.Percent(part))
	}
	return ""
}

// largestNeed takes the larger of each figure over all applications.
func (f advised) largestNeed() Need {
	var most Need
	for _, app := range f.Forecast.Applications {
		most = Need{max(most.Bytes, app.Next.Bytes), max(most.Keys, app.Next.Keys), max(most.StringBytes, app.Next.StringBytes)}
	}
	return most
}

func (f advised) keys() Advice {
	next, used, size := f.largestNeed().Keys, f.Keys.Used, f.Keys.Max
	suggested := maxFiles(max(int64(math.Ceil(float64(used)*growth)), used+next, size+1))
	reason := ""
	switch {
	case size == 0 || size >= suggested:
	case f.Restarts.Hash > 0:
		reason = fmt.Sprintf("keys ran out %s since PHP was started, and OPcache was restarted under load each time", times(f.Restarts.Hash))
	case opcache.Ratio(used, size) >= KeysBound:
		reason = fmt.Sprintf("%s of %s keys are in use", ui.Count(used), ui.Count(size))
	case size-used < next:
		reason = fmt.Sprintf("%s keys are free, the next release needs %s", ui.Count(size-used), ui.Count(next))
	}
	if reason == "" {
		return Advice{}
	}
	return Advice{"opcache.max_accelerated_files", strconv.FormatInt(f.settings.MaxAcceleratedFiles, 10), strconv.FormatInt(suggested, 10), reason}
}

func (f advised) strings() Advice {
	used, size := f.Strings.UsedBytes, f.Strings.SizeBytes
	if size == 0 || opcache.Ratio(used, size) < StringsBound {
		return Advice{}
	}
	suggested := (max(int64(float64(used)*growth), size+1) + 1<<20 - 1) >> 20 << 20
	return Advice{"opcache.interned_strings_buffer", megabytes(size), megabytes(suggested),
		fmt.Sprintf("%s of %s are in use; when it is full, every script holds strings of its own. It is taken from opcache.memory_consumption: raise that by as much",
			ui.Bytes(used), ui.Bytes(size))}
}

// realpath: open_basedir switches the realpath cache off.
func (f advised) realpath() Advice {
	size := f.settings.RealpathCacheSize
	if size == 0 || len(f.settings.OpenBasedir) > 0 || opcache.Ratio(f.realpathUsed, size) < RealpathBound {
		return Advice{}
	}
	suggested := size
	for suggested < 2*f.realpathUsed {
		suggested *= 2
	}
	return Advice{"realpath_cache_size", kilobytes(size), kilobytes(suggested),
		fmt.Sprintf("a worker uses %s of %s; when it is full, every further include asks the file system", ui.Bytes(f.realpathUsed), ui.Bytes(size))}
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return ui.Count(n) + " times"
}

func megabytes(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) }
func kilobytes(bytes int64) string { return strconv.FormatInt(bytes>>10, 10) + "K" }

// advised is one master. A copy outside every releases folder is not known to be
// immutable.
func (b *builder) advised(i int) advised {
	m := &b.now.Masters[i]
	f := advised{MasterReport: &b.report.Masters[i], settings: m.Configuration, controlTimeout: m.ProcessControlTimeout,
		realpathUsed: max(m.Status.Worker.RealpathCache, m.Configuration.Worker.RealpathCache)}
	for _, one := range b.places.releases {
		if len(one.instances) > 0 && one.id != one.folder && one.liveOn(i) {
			f.liveReleases++
		}
	}
	return f
}
