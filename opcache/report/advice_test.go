package report

import (
	"testing"
	"time"

	"relink/php"
)

func forecastOf(fresh, bytes, keys int64) ForecastReport {
	return ForecastReport{FreshBytes: fresh, Applications: []AppForecast{{Next: Need{Bytes: bytes, Keys: keys}}}}
}

// adviceFigures are all that advice is made from.
type adviceFigures struct {
	MemoryBytes, FreeBytes                               int64
	CacheFull                                            bool
	OOMRestarts, HashRestarts                            int64
	Keys, MaxKeys, MaxAcceleratedFiles                   int64
	StringsUsed, StringsSize, RealpathUsed, RealpathSize int64
	FileUpdateProtection                                 time.Duration
	ValidateTimestamps                                   bool
	LiveReleases                                         int
	ProcessControlTimeout                                *time.Duration
	Forecast                                             ForecastReport
}

func (f adviceFigures) advised() advised {
	return advised{
		MasterReport: &MasterReport{CacheFull: f.CacheFull, Forecast: f.Forecast,
			Memory:   MemoryReport{TotalBytes: f.MemoryBytes, FreeBytes: f.FreeBytes},
			Restarts: RestartReport{OOM: f.OOMRestarts, Hash: f.HashRestarts},
			Keys:     KeyReport{Used: f.Keys, Max: f.MaxKeys},
			Strings:  StringsReport{UsedBytes: f.StringsUsed, SizeBytes: f.StringsSize}},
		settings: php.Configuration{MaxAcceleratedFiles: f.MaxAcceleratedFiles, RealpathCacheSize: f.RealpathSize,
			FileUpdateProtection: f.FileUpdateProtection, ValidateTimestamps: f.ValidateTimestamps},
		realpathUsed: f.RealpathUsed, liveReleases: f.LiveReleases, controlTimeout: f.ProcessControlTimeout,
	}
}

// Each rule below, at and above its bound: "" is no advice.
func TestAdvice(t *testing.T) {
	second, zero := time.Second, time.Duration(0)
	for name, c := range map[string]struct {
		figures adviceFigures
		want    string
	}{
		"memory: the next just fits":       {adviceFigures{MemoryBytes: 64 * mb, FreeBytes: 20*mb + MinFreeBytes, Forecast: forecastOf(40*mb, 20*mb, 0)}, ""},
		"memory: a byte is missing":        {adviceFigures{MemoryBytes: 64 * mb, FreeBytes: 20*mb + MinFreeBytes - 1, Forecast: forecastOf(40*mb, 20*mb, 0)}, "opcache.memory_consumption 64 -> 88"},
		"memory: only waste is in the way": {adviceFigures{MemoryBytes: 128 * mb, Forecast: forecastOf(40*mb, 20*mb, 0)}, ""},
		"memory: full":                     {adviceFigures{MemoryBytes: 64 * mb, FreeBytes: 40 * mb, CacheFull: true, MaxKeys: 223, Forecast: forecastOf(40*mb, 20*mb, 0)}, "opcache.memory_consumption 64 -> 88"},
		"memory: full of keys":             {adviceFigures{MemoryBytes: 64 * mb, FreeBytes: 40 * mb, CacheFull: true, Forecast: forecastOf(40*mb, 20*mb, 0)}, ""},
		"memory: ran out":                  {adviceFigures{MemoryBytes: 64 * mb, FreeBytes: 60 * mb, OOMRestarts: 1, Forecast: forecastOf(4*mb, mb, 0)}, "opcache.memory_consumption 64 -> 80"},
		"memory: a tenth is free":          {adviceFigures{MemoryBytes: 100 * mb, FreeBytes: 10 * mb}, ""},
		"memory: less than a tenth":        {adviceFigures{MemoryBytes: 100 * mb, FreeBytes: 10*mb - 1}, "opcache.memory_consumption 100 -> 128"},
		"memory: a day's deploys":          {adviceFigures{MemoryBytes: 64 * mb, Forecast: withDay(forecastOf(40*mb, 20*mb, 0), 160*mb)}, "opcache.memory_consumption 64 -> 160"},

		"keys: below":               {adviceFigures{Keys: 799, MaxKeys: 1000, MaxAcceleratedFiles: 1000}, ""},
		"keys: at":                  {adviceFigures{Keys: 800, MaxKeys: 1000, MaxAcceleratedFiles: 1000}, "opcache.max_accelerated_files 1000 -> 1979"},
		"keys: above":               {adviceFigures{Keys: 801, MaxKeys: 1000, MaxAcceleratedFiles: 1000}, "opcache.max_accelerated_files 1000 -> 1979"},
		"keys: the next fits":       {adviceFigures{Keys: 100, MaxKeys: 223, MaxAcceleratedFiles: 200, Forecast: forecastOf(0, 0, 123)}, ""},
		"keys: the next does not":   {adviceFigures{Keys: 100, MaxKeys: 223, MaxAcceleratedFiles: 200, Forecast: forecastOf(0, 0, 124)}, "opcache.max_accelerated_files 200 -> 463"},
		"keys: ran out":             {adviceFigures{Keys: 1, MaxKeys: 16229, MaxAcceleratedFiles: 10000, HashRestarts: 2}, "opcache.max_accelerated_files 10000 -> 32531"},
		"keys: the directive's end": {adviceFigures{Keys: 1048793, MaxKeys: 1048793, MaxAcceleratedFiles: 1000000}, ""},
		"keys: next to the end":     {adviceFigures{Keys: 524521, MaxKeys: 524521, MaxAcceleratedFiles: 500000}, "opcache.max_accelerated_files 500000 -> 1000000"},

		"strings: below": {adviceFigures{StringsUsed: 8*mb*9/10 - 1, StringsSize: 8 * mb}, ""},
		"strings: at":    {adviceFigures{StringsUsed: 9 * mb, StringsSize: 10 * mb}, "opcache.interned_strings_buffer 10 -> 12"},
		"strings: above": {adviceFigures{StringsUsed: 8 * mb, StringsSize: 8 * mb}, "opcache.interned_strings_buffer 8 -> 10"},
		"strings: off":   {adviceFigures{StringsUsed: 8 * mb}, ""},

		"realpath: below": {adviceFigures{RealpathUsed: 899, RealpathSize: 1000}, ""},
		"realpath: at":    {adviceFigures{RealpathUsed: 9 * mb, RealpathSize: 10 * mb}, "realpath_cache_size 10240K -> 20480K"},
		"realpath: above": {adviceFigures{RealpathUsed: 4 * mb, RealpathSize: 4 * mb}, "realpath_cache_size 4096K -> 8192K"},
		"realpath: off":   {adviceFigures{RealpathUsed: 4 * mb}, ""},

		"protection: on":         {adviceFigures{FileUpdateProtection: second, LiveReleases: 1}, "opcache.file_update_protection 1 -> 0"},
		"protection: off":        {adviceFigures{LiveReleases: 1}, ""},
		"protection: no release": {adviceFigures{FileUpdateProtection: second}, ""},
		"timestamps: on":         {adviceFigures{ValidateTimestamps: true, LiveReleases: 1}, "opcache.validate_timestamps 1 -> 0"},
		"timestamps: off":        {adviceFigures{LiveReleases: 1}, ""},
		"timestamps: no release": {adviceFigures{ValidateTimestamps: true}, ""},
		"control: unknown":       {adviceFigures{}, ""},
		"control: none":          {adviceFigures{ProcessControlTimeout: &zero}, "process_control_timeout 0 -> 10s"},
		"control: a second":      {adviceFigures{ProcessControlTimeout: &second}, ""},
	} {
		got := ""
		for _, a := range advise(c.figures.advised()) {
			got += a.Directive + " " + a.Current + " -> " + a.Suggested
			if a.Reason == "" {
				t.Errorf("%s: no reason", name)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func withDay(f ForecastReport, bytes int64) ForecastReport {
	f.Day = &Plan{MemoryBytes: bytes}
	return f
}

// open_basedir switches the realpath cache off: then its size means nothing.
func TestNoRealpathAdviceUnderOpenBasedir(t *testing.T) {
	for _, basedir := range [][]string{nil, {"/srv"}} {
		m := fixedSample().Masters[0]
		m.Configuration.OpenBasedir = basedir
		advised := false
		for _, a := range Build(one(m), nil, nil, Options{}).Masters[0].Advice {
			advised = advised || a.Directive == "realpath_cache_size"
		}
		if advised != (basedir == nil) {
			t.Errorf("open_basedir %v: advised %v", basedir, advised)
		}
	}
}

func TestMaxFiles(t *testing.T) {
	for keys, want := range map[int64]int64{0: 223, 223: 223, 224: 463, 16229: 16229, 16230: 32531, 524522: 1000000, 5000000: 1000000} {
		if got := maxFiles(keys); got != want {
			t.Errorf("%d keys: %d, want %d", keys, got, want)
		}
	}
}
