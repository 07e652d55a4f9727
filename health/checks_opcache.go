package health

import (
	"errors"
	"fmt"
	"slices"

	"relink/fcgi"
	"relink/internal/ui"
	"relink/php"
)

var opcacheChecks = []Check{{
	Name: "opcache-on", Family: "opcache",
	Means: "OPcache is on in each pool, and relink's agent can ask it. CRITICAL when it is off: then every request compiles.",
	run:   checkOPcache,
}, {
	Name: "memory", Family: "opcache", Bounds: "memory",
	Means: "The share of OPcache's memory that is not free: used or wasted. When it is exhausted, new code runs uncached. Judged by health.memory where less than thresholds.free_bytes is free.",
	run:   masters(checkMemory),
}, {
	Name: "waste", Family: "opcache", Bounds: "waste",
	Means: "The share of OPcache's memory that invalidated scripts hold until the next restart. Judged by health.waste where less than thresholds.free_bytes is free.",
	run:   masters(checkWaste),
}, {
	Name: "keys", Family: "opcache", Bounds: "keys",
	Means: "The share of max_cached_keys in use. Each script takes one and each link that leads to it another; without a free one, new code runs uncached. Judged by health.keys.",
	run:   masters(checkKeys),
}, {
	Name: "strings", Family: "opcache", Bounds: "strings",
	Means: "The share of the interned strings buffer in use. When it is full each worker keeps further strings for itself, which costs memory. Judged by health.strings.",
	run:   masters(checkStrings),
}, {
	Name: "jit", Family: "opcache", Bounds: "jit",
	Means: "The share of the JIT buffer in use; OK where there is no JIT. Judged by health.jit.",
	run:   masters(checkJIT),
}, {
	Name: "hit-rate", Family: "opcache", Bounds: "hit_rate",
	Means: "The share of look-ups that found a script, within health.window. Not judged below thresholds.hit_rate_requests look-ups, nor across a restart. Judged by health.hit_rate.",
	run:   masters(checkHitRate),
}, {
	Name: "restarts", Family: "opcache", Bounds: "restarts",
	Means: "Restarts within health.window. Those that OPcache did by itself, because memory (oom) or keys (hash) ran out, are judged by health.restarts; " +
		"those that somebody asked for (manual, or of PHP-FPM itself) are only told.",
	run: masters(checkRestarts),
}, {
	Name: "cache-full", Family: "opcache",
	Means: "OPcache has stopped taking scripts. CRITICAL: all code that is not cached yet is compiled at each request until a restart.",
	run:   masters(checkFull),
}, {
	Name: "pending-restart", Family: "opcache",
	Means: "A restart of OPcache has been asked for and waits for the requests in flight. WARNING: OPcache is off until it has happened.",
	run:   masters(checkPending),
}}

func checkOPcache(f *Facts, _ *Thresholds) []Result {
	return eachPool(f, func(p *Pool) Result {
		switch {
		case p.Err != nil:
			return NotMade(p.Address, errDown)
		case errors.Is(p.AgentErr, php.ErrOPcacheOff), errors.Is(p.AgentErr, php.ErrFileCacheOnly):
			r := NotMade(p.Address, p.AgentErr)
			r.State = Critical
			return r
		case p.AgentErr != nil:
			return NotMade(p.Address, p.AgentErr)
		}
		return ok(p.Address, "on")
	})
}

// masters makes a check of one OPcache a check of all. One that cannot be read
// is unknown.
func masters(check func(*Facts, *Master, *Thresholds) Result) func(*Facts, *Thresholds) []Result {
	return func(f *Facts, t *Thresholds) []Result {
		var results []Result
		for i := range f.Masters {
			m := &f.Masters[i]
			r := unreadable(m)
			if m.Err == nil {
				r = check(f, m, t)
				r.Subject = m.Name
			}
			results = append(results, r)
		}
		return results
	}
}

// fpmMasters leaves out the caches that are part of Apache.
func fpmMasters(check func(*Facts, *Master, *Thresholds) Result) func(*Facts, *Thresholds) []Result {
	return func(f *Facts, t *Thresholds) []Result {
		fpm := *f
		fpm.Masters = slices.DeleteFunc(slices.Clone(f.Masters), func(m Master) bool { return m.Apache })
		return masters(check)(&fpm, t)
	}
}

// server is what owns the cache, and is reloaded for a new configuration of PHP.
func (m *Master) server() string {
	if m.Apache {
		return "Apache"
	}
	return "PHP-FPM"
}

// unreadable has no fix: the checks pool and opcache tell it.
func unreadable(m *Master) Result {
	if errors.Is(m.Err, fcgi.ErrTimeout) || errors.Is(m.Err, fcgi.ErrNotListening) {
		return NotMade(m.Name, errDown)
	}
	return NotMade(m.Name, errUnreadable)
}

var errUnreadable = errors.New("the pool's OPcache cannot be asked")

func checkMemory(_ *Facts, m *Master, t *Thresholds) Result {
	used := m.Memory.UsedRatio + m.Memory.WastedRatio
	fix := fmt.Sprintf(`raise opcache.memory_consumption (%s now); "relink opcache report" tells what holds it`, ui.Bytes(m.Configuration.MemoryConsumption))
	return share(used, t.short(m), "of "+ui.Bytes(m.Memory.TotalBytes)+" in use or wasted", fix, "used")
}

func checkWaste(_ *Facts, m *Master, t *Thresholds) Result {
	return share(m.Memory.WastedRatio, t.short(m), "of "+ui.Bytes(m.Memory.TotalBytes)+" wasted",
		`restart OPcache at a quiet moment with "relink opcache reset"`, "wasted")
}

// short gives the bounds where memory is short. Deploys leave as much free as
// they can use, and waste costs nothing before; then no share is too large.
func (t *Thresholds) short(m *Master) Bounds {
	if m.Memory.FreeBytes >= t.FreeBytes {
		return Bounds{1, 1}
	}
	return t.own
}

func checkKeys(_ *Facts, m *Master, t *Thresholds) Result {
	fix := fmt.Sprintf("raise opcache.max_accelerated_files (%d now)", m.Configuration.MaxAcceleratedFiles)
	return share(m.Keys.Ratio, t.own, "of "+ui.Count(m.Keys.Max)+" keys in use", fix, "used")
}

func checkStrings(_ *Facts, m *Master, t *Thresholds) Result {
	if m.Strings.SizeBytes == 0 {
		return ok("", "there is no buffer")
	}
	fix := fmt.Sprintf("raise opcache.interned_strings_buffer (%s now)", ui.Bytes(m.Configuration.InternedStringsBuffer))
	return share(m.Strings.Ratio, t.own, "of "+ui.Bytes(m.Strings.SizeBytes)+" in use", fix, "used")
}

func checkJIT(_ *Facts, m *Master, t *Thresholds) Result {
	if m.JIT == nil {
		return ok("", "there is no JIT")
	}
	fix := fmt.Sprintf("raise opcache.jit_buffer_size (%s now)", ui.Bytes(m.JIT.SizeBytes))
	return share(m.JIT.Ratio, t.own, "of "+ui.Bytes(m.JIT.SizeBytes)+" in use", fix, "used")
}

// share judges a ratio that must not be too large; ofWhat says what it is a share of.
func share(value float64, b Bounds, ofWhat, fix, name string) Result {
	state := b.atMost(value)
	message := ui.Percent(value) + " " + ofWhat
	if state != OK {
		message += ", more than " + ui.Percent(b.crossed(state))
	}
	return judged(state, "", message, fix).with(figure(name, Ratio, value, b))
}

func checkHitRate(f *Facts, m *Master, t *Thresholds) Result {
	w := m.Window
	if w.Hits == nil || w.Misses == nil {
		if f.Samples != nil {
			return notJudged(f, "")
		}
		return ok("", "not judged: %s", w.Unknown)
	}
	lookUps := *w.Hits + *w.Misses
	if lookUps == 0 || lookUps < t.HitRateRequests {
		return ok("", "not judged: %s%s, %s needed", ui.Plural(lookUps, "look-up"), ago(f, *w.Since), ui.Count(t.HitRateRequests))
	}
	rate := float64(*w.Hits) / float64(lookUps)
	state := t.own.atLeast(rate)
	message := fmt.Sprintf("%s of %s found their script%s", ui.Percent(rate), ui.Plural(lookUps, "look-up"), ago(f, *w.Since))
	if state != OK {
		message += ", less than " + ui.Percent(t.own.crossed(state))
	}
	return judged(state, "", message, `see "relink opcache report" for what is not cached: the cache is full, new, or too small`).
		with(figure("hits", Ratio, rate, t.own).least())
}

func checkRestarts(f *Facts, m *Master, t *Thresholds) Result {
	g := m.Restarted
	if g == nil {
		return notJudged(f, "")
	}
	byItself := g.OOM + g.Hash
	state := t.own.atMost(float64(byItself))
	message := fmt.Sprintf("%s by itself (%d oom, %d hash), %d manual%s", ui.Plural(byItself, "restart"), g.OOM, g.Hash, g.Manual, ago(f, g.Since))
	if g.Process {
		message += "; " + m.server() + " was started or reloaded"
	}
	return judged(state, "", message, "raise opcache.memory_consumption if oom, opcache.max_accelerated_files if hash").
		with(figure("restarts", Count, float64(byItself), t.own), Figure{Name: "manual", Value: float64(g.Manual), Unit: Count})
}

func checkFull(_ *Facts, m *Master, _ *Thresholds) Result {
	if m.CacheFull {
		return problem(Critical, "", "the cache is full: code that is not cached is compiled at each request",
			`restart OPcache with "relink opcache reset", and raise opcache.memory_consumption or opcache.max_accelerated_files`)
	}
	return ok("", "not full")
}

func checkPending(_ *Facts, m *Master, _ *Thresholds) Result {
	switch {
	case m.RestartPending:
		return problem(Warning, "", "a restart is pending: OPcache is off until the requests in flight have ended",
			"look for a request that does not end (status page); past opcache.force_restart_timeout PHP kills it")
	case m.RestartInProgress:
		return problem(Warning, "", "a restart is in progress", "ask again in a moment")
	}
	return ok("", "none")
}
