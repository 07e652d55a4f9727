package health

import (
	"errors"
	"fmt"

	"relink/internal/config"
	"relink/internal/ui"
	"relink/php"
)

func checkOPcache(_ *Facts, p *Pool, _ *Thresholds) Result {
	switch {
	case p.Err != nil:
		return notMade(errDown)
	case p.AgentErr == nil:
		return ok("on")
	}
	r := notMade(p.AgentErr).blocking()
	if errors.Is(p.AgentErr, php.ErrOPcacheOff) || errors.Is(p.AgentErr, php.ErrFileCacheOnly) {
		r.State = Critical
	}
	return r
}

// server is what owns the cache, and is reloaded for a new configuration of PHP.
func (m *Master) server() string { return m.ifApache("Apache", "PHP-FPM") }

func (m *Master) ifApache(name, other string) string {
	if m.Apache {
		return name
	}
	return other
}

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
func (t *Thresholds) short(m *Master) config.Bounds {
	if m.Memory.FreeBytes >= t.FreeBytes {
		return config.Bounds{Warning: 1, Critical: 1}
	}
	return t.own
}

func checkKeys(_ *Facts, m *Master, t *Thresholds) Result {
	fix := fmt.Sprintf("raise opcache.max_accelerated_files (%d now)", m.Configuration.MaxAcceleratedFiles)
	return share(m.Keys.Ratio, t.own, "of "+ui.Count(m.Keys.Max)+" keys in use", fix, "used")
}

func checkStrings(_ *Facts, m *Master, t *Thresholds) Result {
	if m.Strings.SizeBytes == 0 {
		return ok("there is no buffer")
	}
	fix := fmt.Sprintf("raise opcache.interned_strings_buffer (%s now)", ui.Bytes(m.Configuration.InternedStringsBuffer))
	return share(m.Strings.Ratio, t.own, "of "+ui.Bytes(m.Strings.SizeBytes)+" in use", fix, "used")
}

func checkJIT(_ *Facts, m *Master, t *Thresholds) Result {
	if m.JIT == nil {
		return ok("there is no JIT")
	}
	fix := fmt.Sprintf("raise opcache.jit_buffer_size (%s now)", ui.Bytes(m.JIT.SizeBytes))
	return share(m.JIT.Ratio, t.own, "of "+ui.Bytes(m.JIT.SizeBytes)+" in use", fix, "used")
}

// share judges a ratio that must not be too large; ofWhat says what it is a share of.
func share(value float64, b config.Bounds, ofWhat, fix, name string) Result {
	return figure(name, Ratio, value, b).judge(ui.Percent(value)+" "+ofWhat, fix)
}

func checkHitRate(f *Facts, m *Master, t *Thresholds) Result {
	w := m.Window
	if w.Hits == nil || w.Misses == nil {
		if f.Samples != nil {
			return notJudged(f)
		}
		return ok("not judged: %s", w.Unknown)
	}
	lookUps := *w.Hits + *w.Misses
	if lookUps == 0 || lookUps < t.HitRateRequests {
		return ok("not judged: %s%s, %s needed", ui.Plural(lookUps, "look-up"), ago(f, *w.Since), ui.Count(t.HitRateRequests))
	}
	rate := float64(*w.Hits) / float64(lookUps)
	return figure("hits", Ratio, rate, t.own).least().judge(
		fmt.Sprintf("%s of %s found their script%s", ui.Percent(rate), ui.Plural(lookUps, "look-up"), ago(f, *w.Since)),
		`see "relink opcache report" for what is not cached: the cache is full, new, or too small`)
}

func checkRestarts(f *Facts, m *Master, t *Thresholds) Result {
	g := m.Restarted
	if g == nil {
		return notJudged(f)
	}
	byItself := g.OOM + g.Hash
	message := fmt.Sprintf("%s by itself (%d oom, %d hash), %d manual%s", ui.Plural(byItself, "restart"), g.OOM, g.Hash, g.Manual, ago(f, g.Since))
	if g.Process {
		message += "; " + m.server() + " was started or reloaded"
	}
	return figure("restarts", Count, float64(byItself), t.own).judgeAs(message, "raise opcache.memory_consumption if oom, opcache.max_accelerated_files if hash").
		with(Figure{Name: "manual", Value: float64(g.Manual), Unit: Count})
}

func checkFull(_ *Facts, m *Master, _ *Thresholds) Result {
	if m.CacheFull {
		return problem(Critical, "the cache is full: code that is not cached is compiled at each request",
			`restart OPcache with "relink opcache reset", and raise opcache.memory_consumption or opcache.max_accelerated_files`)
	}
	return ok("not full")
}

func checkPending(_ *Facts, m *Master, _ *Thresholds) Result {
	switch {
	case m.RestartPending:
		return problem(Warning, "a restart is pending: OPcache is off until the requests in flight have ended",
			"look for a request that does not end (status page); past opcache.force_restart_timeout PHP kills it")
	case m.RestartInProgress:
		return problem(Warning, "a restart is in progress", "ask again in a moment")
	}
	return ok("none")
}
