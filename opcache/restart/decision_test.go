package restart

import (
	"slices"
	"strings"
	"testing"
	"time"

	"relink/internal/config"
	"relink/opcache"
	"relink/opcache/report"
)

// healthy is a cache of 128 million bytes (122.1 MB) in which everything is below
// its bound.
var healthy = opcache.Figures{
	UsedBytes: 60e6, FreeBytes: 60e6, WastedBytes: 8e6, Wasted: 0.0625, Keys: 500, MaxKeys: 1000,
	StringsUsed: 4e6, StringsSize: 8e6, JITUsed: 1e6, JITSize: 10e6,
}

var bounds = config.Thresholds{FreeBytes: 10e6, Keys: 0.9, Waste: 0.2, Strings: 0.95, JIT: 0.95, HitRate: 0.9, HitRateRequests: 1000}

// withFree takes free bytes from, or gives them to, what is used.
func (c *Case) withFree(free int64) {
	c.Now.UsedBytes += c.Now.FreeBytes - free
	c.Now.FreeBytes = free
}

func (c *Case) withWaste(wasted int64) {
	c.Now.UsedBytes += c.Now.WastedBytes - wasted
	c.Now.WastedBytes, c.Now.Wasted = wasted, opcache.Ratio(wasted, c.Now.Size()+c.Now.WastedBytes-wasted)
}

func TestDecide(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Case)
		want   Action
		reason string // a text among the reasons
	}{
		{"room for all", func(*Case) {}, None, "57.2 MB free, the next release (19.1 MB) and the reserve (9.5 MB) need 28.6 MB"},

		{"memory above its bound", func(c *Case) { c.withFree(30e6 + 1) }, None, "28.6 MB free"},
		{"memory at its bound", func(c *Case) { c.withFree(30e6) }, None, "28.6 MB free"},
		{"memory below its bound", func(c *Case) { c.withFree(30e6 - 1) }, Reset, "a restart frees 7.6 MB: 7.6 MB wasted, 0 B of dead releases"},
		{"no room even after a restart", func(c *Case) { c.withFree(22e6 - 1) }, None, "a restart would free only 6 %: raise opcache.memory_consumption"},
		{"just room after a restart", func(c *Case) { c.withFree(22e6) }, Reset, "21 MB free"},
		{"a restart frees too little to be worth it", func(c *Case) { c.withWaste(6e6); c.withFree(30e6 - 1) }, None, "would free only 5 %"},
		{"a restart frees just enough to be worth it", func(c *Case) { c.withWaste(6.4e6); c.withFree(30e6 - 1) }, Reset, "frees 6.1 MB"},
		{"short of memory, waste at its bound", func(c *Case) { c.withWaste(25.6e6); c.withFree(0) }, None, "would free only 20 %"},
		{"short of memory, waste above its bound", func(c *Case) { c.withWaste(25.7e6); c.withFree(0) }, Reset, "a restart frees 24.5 MB"},
		{"much waste, but room", func(c *Case) { c.withWaste(50e6); c.withFree(40e6) }, None, "38.1 MB free"},
		{"dead releases count as what a restart frees", func(c *Case) { c.withWaste(0); c.withFree(20e6); c.DeadBytes = 10e6 }, Reset, "0 B wasted, 9.5 MB of dead releases"},

		{"keys below their bound", func(c *Case) { c.Now.Keys = 799 }, None, "799 of 1000 keys used and the next release needs 100"},
		{"keys at their bound", func(c *Case) { c.Now.Keys = 800 }, None, "800 of 1000 keys used"},
		{"keys above their bound", func(c *Case) { c.Now.Keys = 801 }, Reset, "801 of 1000 keys used and the next release needs 100: 90 %, bound 90 %"},
		{"no room for keys even after a restart", func(c *Case) { c.Now.Keys = 950 }, None, "raise opcache.max_accelerated_files"},

		{"strings at their bound", func(c *Case) { c.Now.StringsUsed = 7.6e6 }, None, "interned strings buffer 95 % full"},
		{"strings above their bound", func(c *Case) { c.Now.StringsUsed = 7.61e6 }, Reset, "interned strings buffer 95 % full, bound 95 %"},
		{"strings full of live code", func(c *Case) { c.Now.StringsUsed = 8e6; c.withWaste(0) }, None, "raise opcache.interned_strings_buffer"},
		{"JIT buffer at its bound", func(c *Case) { c.Now.JITUsed = 9.5e6 }, None, "JIT buffer 95 % full"},
		{"JIT buffer above its bound", func(c *Case) { c.Now.JITUsed = 9.51e6 }, Reset, "JIT buffer 95 % full, bound 95 %"},
		{"JIT buffer full of live code", func(c *Case) { c.Now.JITUsed = 10e6; c.withWaste(0) }, None, "raise opcache.jit_buffer_size"},

		{"full", func(c *Case) { c.Now.Full = true }, Reset, "the cache is full: further scripts run uncached"},
		{"full, with too little to free", func(c *Case) { c.Now.Full = true; c.withWaste(6.39e6); c.withFree(40e6) }, None, "raise opcache.memory_consumption"},
		{"full of dead releases that are valid", func(c *Case) { c.Now.Full = true; c.withWaste(0); c.DeadBytes = 6.4e6 }, Reset, "6.1 MB of dead releases"},

		{"hit rate at its bound", func(c *Case) { c.Window = opcache.Window{HitRate: 0.9, Requests: 1000} }, None, "hit rate 90.0 % over the last 1000 look-ups, bound 90.0 %"},
		{"hit rate below its bound", func(c *Case) { c.Window = opcache.Window{HitRate: 0.899, Requests: 1000} }, Reset, "hit rate 89.9 %"},
		{"too few look-ups", func(c *Case) { c.Window = opcache.Window{HitRate: 0.1, Requests: 999} }, None, "57.2 MB free"},
		{"misses, but nothing dead", func(c *Case) { c.Window = opcache.Window{HitRate: 0.5, Requests: 5000}; c.withWaste(0) }, None, "look for what the cache does not take"},

		{"preloaded code has changed", func(c *Case) { c.PreloadChanged = true }, ReloadFPM, "only an FPM reload replaces them"},
		{"preload in use", func(c *Case) { c.Now.Preloaded = 7; c.withFree(30e6 - 1) }, ReloadFPM, "7 scripts are preloaded"},
		{"preload in use, opcache asked for", func(c *Case) { c.Now.Preloaded = 7; c.withFree(30e6 - 1); c.Method = MethodOPcache }, ReloadFPM, "opcache_reset keeps the old ones"},
		{"preload in use, nothing crossed", func(c *Case) { c.Now.Preloaded = 7 }, None, "57.2 MB free"},

		{"by opcache", func(c *Case) { c.withFree(30e6 - 1); c.Method = MethodOPcache }, Reset, "28.6 MB free"},
		{"by fpm", func(c *Case) { c.withFree(30e6 - 1); c.Method = MethodFPM }, ReloadFPM, "28.6 MB free"},
		{"by apache", func(c *Case) { c.withFree(30e6 - 1); c.Method = MethodApache }, ReloadApache, "28.6 MB free"},

		{"a cache of Apache", func(c *Case) { c.withFree(30e6 - 1); c.Apache = true }, ReloadApache, "28.6 MB free"},
		{"a cache of Apache, by fpm", func(c *Case) { c.withFree(30e6 - 1); c.Apache = true; c.Method = MethodFPM }, ReloadApache, "28.6 MB free"},
		{"a cache of Apache, by opcache", func(c *Case) { c.withFree(30e6 - 1); c.Apache = true; c.Method = MethodOPcache }, Reset, "28.6 MB free"},
		{"preload in Apache", func(c *Case) { c.Apache = true; c.PreloadChanged = true; c.Method = MethodOPcache }, ReloadApache, "only a graceful restart of Apache replaces them"},

		{"dead releases, and room", func(c *Case) { c.DeadBytes = 1 }, Invalidate, "releases that nobody uses are live in the cache"},
		{"dead releases in a full cache that is too small", func(c *Case) { c.Now.Full = true; c.withWaste(0); c.DeadBytes = 1e6 }, None, "the cache is full"},
		{"a restart is pending", func(c *Case) { c.withFree(0); c.Now.Pending = true }, None, "pending already"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Case{Now: healthy, Next: report.Need{Bytes: 20e6, Keys: 100}, Thresholds: bounds}
			tt.change(&c)
			wantDecision(t, c, tt.want, tt.reason)
		})
	}
}

func wantDecision(t *testing.T, c Case, want Action, reason string) {
	t.Helper()
	got := c.Decide()
	if got.Action != want || !strings.Contains(strings.Join(got.Texts(), "\n"), reason) {
		t.Errorf("%s because of\n%s\nwant %s, %q", got.Action, strings.Join(got.Texts(), "\n"), want, reason)
	}
	crossed := slices.ContainsFunc(got.Reasons, func(r Reason) bool { return r.Crossed })
	if len(got.Reasons) == 0 || got.Action != None && !crossed {
		t.Errorf("%s without a reason: %+v", got.Action, got.Reasons)
	}
}

// A restart that freed nothing would free nothing again.
func TestDecideDoesNotRepeatARestartInVain(t *testing.T) {
	short := Case{Now: healthy, Next: report.Need{Bytes: 20e6}, Thresholds: bounds}
	short.withFree(25e6)
	past := func(figure string, freed int64, change func(*Record)) []Record {
		r := Record{Time: time.Now(), Order: Order{Decision: Decision{Reset, []Reason{{Figure: figure, Crossed: true}}}}, Before: short.Now, After: short.Now}
		r.After.FreeBytes += freed
		if change != nil {
			change(&r)
		}
		return []Record{r}
	}
	failed := func(r *Record) { r.Failed = "not back" }
	for name, tt := range map[string]struct {
		history []Record
		want    Action
		reason  string
	}{
		"none":                     {nil, Reset, "23.8 MB free"},
		"it freed nothing":         {past(FigureFree, 0, nil), None, "for the same reason freed 0 %, less than 5 %: it is not repeated; raise opcache.memory_consumption"},
		"it freed just too little": {past(FigureFree, 6.39e6, nil), None, "it is not repeated"},
		"it freed just enough":     {past(FigureFree, 6.41e6, nil), Reset, "23.8 MB free"},
		"for another reason":       {past(FigureStrings, 0, nil), Reset, "23.8 MB free"},
		"it failed":                {past(FigureFree, 0, failed), Reset, "23.8 MB free"},
		"a later one helped":       {append(past(FigureFree, 0, nil), past(FigureFree, 20e6, nil)...), Reset, "23.8 MB free"},
	} {
		t.Run(name, func(t *testing.T) {
			c := short
			c.History = tt.history
			wantDecision(t, c, tt.want, tt.reason)
		})
	}
}

func TestReliefIsOfTheFigure(t *testing.T) {
	before := opcache.Figures{FreeBytes: 10, UsedBytes: 90, Keys: 90, MaxKeys: 100, StringsUsed: 80, StringsSize: 100, JITUsed: 70, JITSize: 100}
	after := opcache.Figures{FreeBytes: 30, UsedBytes: 70, Keys: 80, MaxKeys: 100, StringsUsed: 50, StringsSize: 100, JITUsed: 30, JITSize: 100}
	for figure, want := range map[string]float64{FigureFree: 0.2, FigureFull: 0.2, FigureHitRate: 0.2, FigureKeys: 0.1, FigureStrings: 0.3, FigureJIT: 0.4, FigurePreload: 1} {
		if got := relief(figure, before, after); got != want {
			t.Errorf("%s: %g, want %g", figure, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	before := opcache.Figures{Hits: 900, Misses: 100, Restarts: 1}
	for name, tt := range map[string]struct {
		now  opcache.Figures
		want opcache.Window
	}{
		"between":            {opcache.Figures{Hits: 980, Misses: 120, Restarts: 1}, opcache.Window{HitRate: 0.8, Requests: 100}},
		"nothing asked":      {before, opcache.Window{HitRate: 0, Requests: 0}},
		"restarted":          {opcache.Figures{Hits: 3000, Misses: 1000, Restarts: 2}, opcache.Window{HitRate: 0.75, Requests: 4000}},
		"another master now": {opcache.Figures{Hits: 5, Misses: 5, Restarts: 1}, opcache.Window{HitRate: 0.5, Requests: 10}},
	} {
		if got := tt.now.Since(before); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestSaved(t *testing.T) {
	for instances, want := range map[int]int64{0: 0, 1: 0, 2: 100, 30: 2900} {
		if got := opcache.Saved(instances, opcache.Footprint{Bytes: 100, DeadBytes: 50}); got != want {
			t.Errorf("%d instances save %d, want %d", instances, got, want)
		}
	}
}
