package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"relink/internal/ui"
	"relink/opcache"
)

// Advice is a directive that the figures call to change. Values are written as
// in php.ini or php-fpm.conf.
type Advice struct {
	Directive string `json:"directive"`
	Current   string `json:"current"`
	Suggested string `json:"suggested"`
	Reason    string `json:"reason"`
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

// AdviceFigures are what the advice for one cache is made from.
type AdviceFigures struct {
	MemoryBytes, FreeBytes int64
	CacheFull              bool
	OOMRestarts            int64
	HashRestarts           int64

	Keys, MaxKeys       int64
	MaxAcceleratedFiles int64 // as configured

	StringsUsed, StringsSize   int64
	RealpathUsed, RealpathSize int64 // of the worker that was asked; both 0 where paths are not cached

	FileUpdateProtection  time.Duration
	ValidateTimestamps    bool
	LiveReleases          int            // immutable releases that instances are on
	ProcessControlTimeout *time.Duration // nil: not known

	Forecast ForecastReport
}

// Advise gives the advice that the figures call for, and no other.
func Advise(f AdviceFigures) []Advice {
	var all []Advice
	for _, rule := range []func(AdviceFigures) (Advice, bool){
		adviseMemory, adviseKeys, adviseStrings, adviseRealpath, adviseProtection, adviseTimestamps, adviseControlTimeout,
	} {
		if advice, called := rule(f); called {
			all = append(all, advice)
		}
	}
	return all
}

func adviseMemory(f AdviceFigures) (Advice, bool) {
	reason, short := f.memoryShort()
	need := f.Forecast.FreshBytes + 2*f.largestNeed().Bytes + MinFreeBytes
	if f.OOMRestarts > 0 || len(f.Forecast.Applications) == 0 {
		need = max(need, int64(float64(f.MemoryBytes)*growth))
	}
	if f.Forecast.Day != nil {
		need = max(need, f.Forecast.Day.MemoryBytes)
	}
	suggested := roundUp(need)
	// Where waste fills the memory, a restart is the cure and not a larger memory.
	if !short || f.MemoryBytes == 0 || suggested <= f.MemoryBytes {
		return Advice{}, false
	}
	return Advice{"opcache.memory_consumption", megabytes(f.MemoryBytes), megabytes(suggested), reason}, true
}

func (f AdviceFigures) memoryShort() (string, bool) {
	next := f.largestNeed()
	switch {
	case f.OOMRestarts > 0:
		return fmt.Sprintf("memory ran out %s since PHP was started, and OPcache was restarted under load each time", times(f.OOMRestarts)), true
	case f.CacheFull && f.Keys < f.MaxKeys:
		return fmt.Sprintf("the cache is full with %s free: new scripts run uncached", ui.Bytes(f.FreeBytes)), true
	case next.Bytes > 0 && f.FreeBytes < next.Bytes+MinFreeBytes:
		return fmt.Sprintf("%s are free, the next release needs %s", ui.Bytes(f.FreeBytes), ui.Bytes(next.Bytes)), true
	case next.Bytes == 0 && opcache.Ratio(f.FreeBytes, f.MemoryBytes) < MemoryFloor:
		return fmt.Sprintf("only %s are free (%s)", ui.Bytes(f.FreeBytes), ui.Percent(opcache.Ratio(f.FreeBytes, f.MemoryBytes))), true
	}
	return "", false
}

// largestNeed takes the larger of each figure over all applications.
func (f AdviceFigures) largestNeed() Need {
	var most Need
	for _, app := range f.Forecast.Applications {
		most = Need{max(most.Bytes, app.Next.Bytes), max(most.Keys, app.Next.Keys), max(most.StringBytes, app.Next.StringBytes)}
	}
	return most
}

func adviseKeys(f AdviceFigures) (Advice, bool) {
	next := f.largestNeed()
	reason := ""
	switch {
	case f.MaxKeys == 0:
		return Advice{}, false
	case f.HashRestarts > 0:
		reason = fmt.Sprintf("keys ran out %s since PHP was started, and OPcache was restarted under load each time", times(f.HashRestarts))
	case opcache.Ratio(f.Keys, f.MaxKeys) >= KeysBound:
		reason = fmt.Sprintf("%s of %s keys are in use", ui.Count(f.Keys), ui.Count(f.MaxKeys))
	case f.MaxKeys-f.Keys < next.Keys:
		reason = fmt.Sprintf("%s keys are free, the next release needs %s", ui.Count(f.MaxKeys-f.Keys), ui.Count(next.Keys))
	default:
		return Advice{}, false
	}
	need := max(int64(math.Ceil(float64(f.Keys)*growth)), f.Keys+next.Keys, f.MaxKeys+1)
	suggested := maxFiles(need)
	if f.MaxKeys >= suggested {
		return Advice{}, false
	}
	return Advice{"opcache.max_accelerated_files", strconv.FormatInt(f.MaxAcceleratedFiles, 10), strconv.FormatInt(suggested, 10), reason}, true
}

func adviseStrings(f AdviceFigures) (Advice, bool) {
	if f.StringsSize == 0 || opcache.Ratio(f.StringsUsed, f.StringsSize) < StringsBound {
		return Advice{}, false
	}
	suggested := (max(int64(float64(f.StringsUsed)*growth), f.StringsSize+1) + 1<<20 - 1) >> 20 << 20
	return Advice{"opcache.interned_strings_buffer", megabytes(f.StringsSize), megabytes(suggested),
		fmt.Sprintf("%s of %s are in use; when it is full, every script holds strings of its own. It is taken from opcache.memory_consumption: raise that by as much",
			ui.Bytes(f.StringsUsed), ui.Bytes(f.StringsSize))}, true
}

func adviseRealpath(f AdviceFigures) (Advice, bool) {
	if f.RealpathSize == 0 || opcache.Ratio(f.RealpathUsed, f.RealpathSize) < RealpathBound {
		return Advice{}, false
	}
	suggested := f.RealpathSize
	for suggested < 2*f.RealpathUsed {
		suggested *= 2
	}
	return Advice{"realpath_cache_size", kilobytes(f.RealpathSize), kilobytes(suggested),
		fmt.Sprintf("a worker uses %s of %s; when it is full, every further include asks the file system", ui.Bytes(f.RealpathUsed), ui.Bytes(f.RealpathSize))}, true
}

func adviseProtection(f AdviceFigures) (Advice, bool) {
	if f.FileUpdateProtection == 0 || f.LiveReleases == 0 {
		return Advice{}, false
	}
	return Advice{"opcache.file_update_protection", seconds(f.FileUpdateProtection), "0",
		fmt.Sprintf("files younger than %s are not cached, so that the warm of a new release has to wait; releases are complete before they are linked",
			ui.Duration(f.FileUpdateProtection))}, true
}

func adviseTimestamps(f AdviceFigures) (Advice, bool) {
	if !f.ValidateTimestamps || f.LiveReleases == 0 {
		return Advice{}, false
	}
	return Advice{"opcache.validate_timestamps", "1", "0",
		fmt.Sprintf("%s cannot change, yet their files' times are asked again and again", ui.Plural(f.LiveReleases, "live release"))}, true
}

func adviseControlTimeout(f AdviceFigures) (Advice, bool) {
	if f.ProcessControlTimeout == nil || *f.ProcessControlTimeout != 0 {
		return Advice{}, false
	}
	return Advice{"process_control_timeout", "0", "10s", "an FPM reload kills the requests that are running"}, true
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return ui.Count(n) + " times"
}

func megabytes(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) }
func kilobytes(bytes int64) string { return strconv.FormatInt(bytes>>10, 10) + "K" }
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(d/time.Second), 10)
}

// adviceFigures are those of one master.
func (b *builder) adviceFigures(i int, forecast ForecastReport) AdviceFigures {
	m := &b.now.Masters[i]
	s, c := &m.Status, &m.Configuration
	f := AdviceFigures{
		MemoryBytes: s.Memory.Total(), FreeBytes: s.Memory.Free, CacheFull: s.CacheFull,
		OOMRestarts: s.Statistics.OOMRestarts, HashRestarts: s.Statistics.HashRestarts,
		Keys: s.Statistics.CachedKeys, MaxKeys: s.Statistics.MaxCachedKeys, MaxAcceleratedFiles: c.MaxAcceleratedFiles,
		StringsUsed: s.Strings.Used, StringsSize: s.Strings.Size,
		FileUpdateProtection: c.FileUpdateProtection, ValidateTimestamps: c.ValidateTimestamps,
		LiveReleases: b.liveReleases(i), ProcessControlTimeout: m.ProcessControlTimeout, Forecast: forecast,
	}
	if len(c.OpenBasedir) == 0 { // open_basedir switches the realpath cache off
		f.RealpathUsed, f.RealpathSize = max(s.Worker.RealpathCache, c.Worker.RealpathCache), c.RealpathCacheSize
	}
	return f
}

// liveReleases counts the releases that instances are on and that this master
// holds. A copy outside every releases folder is not known to be immutable.
func (b *builder) liveReleases(master int) int {
	n := 0
	for _, one := range b.places.releases {
		if len(one.instances) > 0 && one.id != one.folder && one.masters != nil && one.masters[master] != nil && one.masters[master].live > 0 {
			n++
		}
	}
	return n
}
