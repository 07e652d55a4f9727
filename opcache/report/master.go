package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/opcache"
	"relink/php"
)

// master describes one cache, whose memory and savings are known.
func (b *builder) master(i int) {
	m, r := &b.now.Masters[i], &b.report.Masters[i]
	r.Name, r.Pools, r.Down, r.Advice, r.Awaited = m.Name, append([]string{}, m.Pools...), downPools(m), []Advice{}, m.Awaited
	if m.Err != nil {
		why := m.Err.Error()
		r.Error, r.Memory, r.Forecast.Applications = &why, MemoryReport{}, []AppForecast{}
		return
	}
	b.describe(r, m, i)
	r.Window = b.window(i)
	r.UnsharedBytes = r.Memory.UsedBytes + r.SavedBytes
	r.Forecast = Predict(b.forecastFigures(i))
	r.Advice = append(r.Advice, advise(b.advised(i))...)
}

func (b *builder) describe(r *MasterReport, m *Master, i int) {
	s := &m.Status
	r.PHPVersion, r.SAPI = s.Worker.PHPVersion, s.Worker.SAPI
	r.Started, r.LastRestart = known(s.Statistics.StartTime), known(s.Statistics.LastRestart)
	r.Enabled, r.CacheFull = s.Enabled, s.CacheFull
	r.RestartPending, r.RestartInProgress = s.RestartPending, s.RestartInProgress
	r.Scripts = ScriptCount{Live: b.sums[i].LiveScripts, Dead: b.sums[i].DeadScripts}
	r.Keys = KeyReport{Used: s.Statistics.CachedKeys, Max: s.Statistics.MaxCachedKeys, Ratio: opcache.Ratio(s.Statistics.CachedKeys, s.Statistics.MaxCachedKeys),
		Scripts: s.Statistics.CachedScripts, Aliases: s.Statistics.CachedKeys - s.Statistics.CachedScripts}
	r.Strings = StringsReport{SizeBytes: s.Strings.Size, UsedBytes: s.Strings.Used, FreeBytes: s.Strings.Free,
		Count: s.Strings.Count, Ratio: opcache.Ratio(s.Strings.Used, s.Strings.Size)}
	r.JIT, r.Preload = jitOf(s.JIT), preloadOf(s.Preload)
	if m.Scripts != nil {
		idle := r.Preload == nil && !slices.ContainsFunc(m.Scripts, func(s php.Script) bool { return s.Live && !isAgent(&s) })
		r.Idle = &idle
	}
	r.Life = lifeOf(s.Statistics)
	r.Restarts = RestartReport{OOM: s.Statistics.OOMRestarts, Hash: s.Statistics.HashRestarts, Manual: s.Statistics.ManualRestarts}
}

func downPools(m *Master) []PoolDown {
	down := []PoolDown{}
	for pool, why := range m.Down {
		down = append(down, PoolDown{Pool: pool, Error: why})
	}
	slices.SortFunc(down, func(x, y PoolDown) int { return strings.Compare(x.Pool, y.Pool) })
	return down
}

func jitOf(j php.JIT) *JITReport {
	if j.BufferSize == 0 {
		return nil
	}
	used := j.BufferSize - j.BufferFree
	return &JITReport{On: j.On, SizeBytes: j.BufferSize, UsedBytes: used, Ratio: opcache.Ratio(used, j.BufferSize)}
}

func preloadOf(p php.Preload) *PreloadReport {
	if p.Memory == 0 && len(p.Scripts) == 0 {
		return nil
	}
	return &PreloadReport{Bytes: p.Memory, Scripts: int64(len(p.Scripts)), Classes: int64(len(p.Classes)), Functions: int64(len(p.Functions))}
}

func lifeOf(s php.Statistics) RequestReport {
	r := RequestReport{Since: known(s.CountedSince()), Hits: s.Hits, Misses: s.Misses}
	if s.Hits+s.Misses > 0 {
		rate := s.HitRatio()
		r.Ratio = &rate
	}
	return r
}

// windowStart finds the counters that a master's window begins with, or says
// why there are none.
func (b *builder) windowStart(m *Master) (*MasterTotals, string) {
	if m.Err != nil {
		return nil, ""
	}
	if b.before == nil {
		return nil, "there is no earlier sample"
	}
	start := b.before.Of(m)
	s := m.Status.Statistics
	switch {
	case start == nil:
		return nil, "the earlier sample lacks this OPcache"
	case !start.CountedSince.Equal(s.CountedSince()):
		return nil, "OPcache was restarted since the earlier sample"
	case start.Hits > s.Hits || start.Misses > s.Misses || !b.now.Time.After(b.before.Time):
		return nil, "the earlier sample does not precede this one"
	}
	return start, ""
}

func (b *builder) window(i int) WindowReport {
	start := b.windows[i]
	if start == nil {
		return WindowReport{Unknown: b.gaps[i]}
	}
	s := b.now.Masters[i].Status.Statistics
	hits, misses := s.Hits-start.Hits, s.Misses-start.Misses
	w := WindowReport{
		Since: known(b.before.Time), Seconds: b.now.Time.Sub(b.before.Time).Round(time.Millisecond).Seconds(),
		Hits: &hits, Misses: &misses,
	}
	if requests := hits + misses; requests < b.options.MinRequests {
		w.Unknown = fmt.Sprintf("%d requests in the window, %d are needed", requests, b.options.MinRequests)
		return w
	}
	rate := opcache.Ratio(hits, hits+misses)
	w.Ratio = &rate
	return w
}
