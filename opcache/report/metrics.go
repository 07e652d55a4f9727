package report

import "github.com/prometheus/client_golang/prometheus"

// metric is one name of the contract in docs/opcache-report.md.
type metric struct{ desc *prometheus.Desc }

var allMetrics []metric

func newMetric(name, help string, labels ...string) metric {
	m := metric{prometheus.NewDesc("relink_opcache_"+name, help, labels, nil)}
	allMetrics = append(allMetrics, m)
	return m
}

var (
	metricUp          = newMetric("up", "Whether the OPcache could be read.", "master")
	metricPoolsDown   = newMetric("pools_down", "Pools of this OPcache that could not be read.", "master")
	metricSize        = newMetric("memory_size_bytes", "Size of the shared memory.", "master")
	metricMemory      = newMetric("memory_bytes", "Shared memory by state; the states add up to the size.", "master", "state")
	metricUsed        = newMetric("used_bytes", "Used memory by what it is used for; the parts add up to the used memory.", "master", "part")
	metricScripts     = newMetric("scripts", "Entries of the cache.", "master", "state")
	metricKeys        = newMetric("keys", "Keys in use: real paths of scripts and literal aliases.", "master", "kind")
	metricMaxKeys     = newMetric("max_keys", "Size of the key table.", "master")
	metricStrings     = newMetric("interned_strings_bytes", "Interned strings buffer by state.", "master", "state")
	metricStringCount = newMetric("interned_strings", "Interned strings.", "master")
	metricJIT         = newMetric("jit_buffer_bytes", "JIT buffer by state.", "master", "state")
	metricHits        = newMetric("hits_total", "Look-ups that found a script since the last restart.", "master")
	metricMisses      = newMetric("misses_total", "Look-ups that found none since the last restart.", "master")
	metricHitRatio    = newMetric("hit_ratio", "Hits by look-ups since the last restart, 0 to 1.", "master")
	metricWindowRatio = newMetric("window_hit_ratio", "Hits by look-ups in the window, 0 to 1; absent where it is not known.", "master")
	metricRestarts    = newMetric("restarts_total", "Restarts of the cache since PHP was started.", "master", "kind")
	metricStart       = newMetric("start_time_seconds", "Start of the OPcache, Unix time.", "master")
	metricLastRestart = newMetric("last_restart_time_seconds", "Last restart of the cache, Unix time; absent before the first.", "master")
	metricFull        = newMetric("cache_full", "Whether the cache is full.", "master")
	metricPending     = newMetric("restart_pending", "Whether a restart is pending.", "master")
	metricAwaited     = newMetric("restart_awaited", "Whether relink has put off a restart until it is quiet.", "master")
	metricFurther     = newMetric("further_deploys", "Deploys that fit before a restart.", "master", "app")
	metricAdvice      = newMetric("advice", "1 for each directive that the figures call to change.", "master", "directive")

	metricInstances    = newMetric("release_instances", "Instances on the release.", "app", "release")
	metricHeldScripts  = newMetric("release_scripts", "Scripts of the release over all masters.", "app", "release", "state")
	metricHeldBytes    = newMetric("release_bytes", "Memory of the release's scripts over all masters.", "app", "release", "state")
	metricReleaseSaved = newMetric("release_saved_bytes", "Memory that sharing the release saves.", "app", "release")
	metricSaved        = newMetric("saved_bytes", "Memory that sharing releases saves in all.")
)

func collectMaster(send sink, m *MasterReport) {
	send.flag(metricUp, m.Error == nil, m.Name)
	send.gauge(metricPoolsDown, float64(len(m.Down)), m.Name)
	if m.Error != nil {
		return
	}
	collectMemory(send, m)
	collectRequests(send, m)
	send.gauge(metricScripts, float64(m.Scripts.Live), m.Name, "live")
	send.gauge(metricScripts, float64(m.Scripts.Dead), m.Name, "dead")
	send.gauge(metricKeys, float64(m.Keys.Scripts), m.Name, "script")
	send.gauge(metricKeys, float64(m.Keys.Aliases), m.Name, "alias")
	send.gauge(metricMaxKeys, float64(m.Keys.Max), m.Name)
	send.time(metricStart, m.Started, m.Name)
	send.time(metricLastRestart, m.LastRestart, m.Name)
	send.flag(metricFull, m.CacheFull, m.Name)
	send.flag(metricPending, m.RestartPending, m.Name)
	send.flag(metricAwaited, m.Awaited != nil, m.Name)
	for _, app := range m.Forecast.Applications {
		send.gauge(metricFurther, float64(app.FurtherDeploys), m.Name, app.App)
	}
	for _, advice := range m.Advice {
		send.gauge(metricAdvice, 1, m.Name, advice.Directive)
	}
}

func collectMemory(send sink, m *MasterReport) {
	mem := &m.Memory
	send.gauge(metricSize, float64(mem.TotalBytes), m.Name)
	for state, bytes := range map[string]int64{"used": mem.UsedBytes, "free": mem.FreeBytes, "wasted": mem.WastedBytes} {
		send.gauge(metricMemory, float64(bytes), m.Name, state)
	}
	for part, bytes := range map[string]int64{
		"live": mem.LiveBytes, "interned_strings": mem.StringBufferBytes, "key_table": mem.KeyTableBytes,
		"alignment": mem.AlignmentBytes, "preload": mem.PreloadBytes, "jit": mem.JITTableBytes, "unexplained": mem.UnexplainedBytes,
	} {
		send.gauge(metricUsed, float64(bytes), m.Name, part)
	}
	send.gauge(metricStrings, float64(m.Strings.UsedBytes), m.Name, "used")
	send.gauge(metricStrings, float64(m.Strings.FreeBytes), m.Name, "free")
	send.gauge(metricStringCount, float64(m.Strings.Count), m.Name)
	if m.JIT != nil {
		send.gauge(metricJIT, float64(m.JIT.UsedBytes), m.Name, "used")
		send.gauge(metricJIT, float64(m.JIT.SizeBytes-m.JIT.UsedBytes), m.Name, "free")
	}
}

func collectRequests(send sink, m *MasterReport) {
	send.counter(metricHits, m.Life.Hits, m.Name)
	send.counter(metricMisses, m.Life.Misses, m.Name)
	if m.Life.Ratio != nil {
		send.gauge(metricHitRatio, *m.Life.Ratio, m.Name)
	}
	if m.Window.Ratio != nil {
		send.gauge(metricWindowRatio, *m.Window.Ratio, m.Name)
	}
	send.counter(metricRestarts, m.Restarts.OOM, m.Name, "oom")
	send.counter(metricRestarts, m.Restarts.Hash, m.Name, "hash")
	send.counter(metricRestarts, m.Restarts.Manual, m.Name, "manual")
}

func collectRelease(send sink, app string, r *ReleaseReport) {
	send.gauge(metricInstances, float64(len(r.Instances)), app, r.Release)
	send.gauge(metricHeldScripts, float64(r.LiveScripts), app, r.Release, "live")
	send.gauge(metricHeldScripts, float64(r.DeadScripts), app, r.Release, "dead")
	send.gauge(metricHeldBytes, float64(r.LiveBytes), app, r.Release, "live")
	send.gauge(metricHeldBytes, float64(r.DeadBytes), app, r.Release, "dead")
	send.gauge(metricReleaseSaved, float64(r.SavedBytes), app, r.Release)
}
