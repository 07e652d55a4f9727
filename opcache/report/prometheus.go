package report

import (
	"io"
	"time"

	"relink/internal/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

// names are the contract of docs/opcache-report.md.
var names = metrics.Names{Prefix: "relink_opcache_"}

var (
	metricUp          = names.New("up", "Whether the OPcache could be read.", "master")
	metricPoolsDown   = names.New("pools_down", "Pools of this OPcache that could not be read.", "master")
	metricSize        = names.New("memory_size_bytes", "Size of the shared memory.", "master")
	metricMemory      = names.New("memory_bytes", "Shared memory by state; the states add up to the size.", "master", "state")
	metricUsed        = names.New("used_bytes", "Used memory by what it is used for; the parts add up to the used memory.", "master", "part")
	metricScripts     = names.New("scripts", "Entries of the cache.", "master", "state")
	metricKeys        = names.New("keys", "Keys in use: real paths of scripts and literal aliases.", "master", "kind")
	metricMaxKeys     = names.New("max_keys", "Size of the key table.", "master")
	metricStrings     = names.New("interned_strings_bytes", "Interned strings buffer by state.", "master", "state")
	metricStringCount = names.New("interned_strings", "Interned strings.", "master")
	metricJIT         = names.New("jit_buffer_bytes", "JIT buffer by state.", "master", "state")
	metricHits        = names.New("hits_total", "Look-ups that found a script since the last restart.", "master")
	metricMisses      = names.New("misses_total", "Look-ups that found none since the last restart.", "master")
	metricHitRatio    = names.New("hit_ratio", "Hits by look-ups since the last restart, 0 to 1.", "master")
	metricWindowRatio = names.New("window_hit_ratio", "Hits by look-ups in the window, 0 to 1; absent where it is not known.", "master")
	metricRestarts    = names.New("restarts_total", "Restarts of the cache since PHP was started.", "master", "kind")
	metricStart       = names.New("start_time_seconds", "Start of the OPcache, Unix time.", "master")
	metricLastRestart = names.New("last_restart_time_seconds", "Last restart of the cache, Unix time; absent before the first.", "master")
	metricFull        = names.New("cache_full", "Whether the cache is full.", "master")
	metricPending     = names.New("restart_pending", "Whether a restart is pending.", "master")
	metricAwaited     = names.New("restart_awaited", "Whether relink has put off a restart until it is quiet.", "master")
	metricFurther     = names.New("further_deploys", "Deploys that fit before a restart.", "master", "app")
	metricAdvice      = names.New("advice", "1 for each directive that the figures call to change.", "master", "directive")

	metricInstances    = names.New("release_instances", "Instances on the release.", "app", "release")
	metricHeldScripts  = names.New("release_scripts", "Scripts of the release over all masters.", "app", "release", "state")
	metricHeldBytes    = names.New("release_bytes", "Memory of the release's scripts over all masters.", "app", "release", "state")
	metricReleaseSaved = names.New("release_saved_bytes", "Memory that sharing the release saves.", "app", "release")
	metricSaved        = names.New("saved_bytes", "Memory that sharing releases saves in all.")
)

// Prometheus writes the figures in the text exposition format. Scripts are no
// labels: their number has no bound.
func (r *Report) Prometheus(w io.Writer) error { return metrics.Write(w, r.Collector()) }

// Collector gives the figures to a registry.
func (r *Report) Collector() prometheus.Collector { return names.Collector(r.collect) }

func (r *Report) collect(send metrics.Sink) {
	send.Gauge(metricSaved, float64(r.SavedBytes))
	for i := range r.Masters {
		collectMaster(send, &r.Masters[i])
	}
	for i := range r.Applications {
		for n := range r.Applications[i].Releases {
			collectRelease(send, r.Applications[i].Name, &r.Applications[i].Releases[n])
		}
	}
}

func collectMaster(send metrics.Sink, m *MasterReport) {
	send.Flag(metricUp, m.Error == nil, m.Name)
	send.Gauge(metricPoolsDown, float64(len(m.Down)), m.Name)
	if m.Error != nil {
		return
	}
	collectMemory(send, m)
	collectRequests(send, m)
	send.Gauge(metricScripts, float64(m.Scripts.Live), m.Name, "live")
	send.Gauge(metricScripts, float64(m.Scripts.Dead), m.Name, "dead")
	send.Gauge(metricKeys, float64(m.Keys.Scripts), m.Name, "script")
	send.Gauge(metricKeys, float64(m.Keys.Aliases), m.Name, "alias")
	send.Gauge(metricMaxKeys, float64(m.Keys.Max), m.Name)
	sendTime(send, metricStart, m.Started, m.Name)
	sendTime(send, metricLastRestart, m.LastRestart, m.Name)
	send.Flag(metricFull, m.CacheFull, m.Name)
	send.Flag(metricPending, m.RestartPending, m.Name)
	send.Flag(metricAwaited, m.Awaited != nil, m.Name)
	for _, app := range m.Forecast.Applications {
		send.Gauge(metricFurther, float64(app.FurtherDeploys), m.Name, app.App)
	}
	for _, advice := range m.Advice {
		send.Gauge(metricAdvice, 1, m.Name, advice.Directive)
	}
}

func collectMemory(send metrics.Sink, m *MasterReport) {
	mem := &m.Memory
	send.Gauge(metricSize, float64(mem.TotalBytes), m.Name)
	for state, bytes := range map[string]int64{"used": mem.UsedBytes, "free": mem.FreeBytes, "wasted": mem.WastedBytes} {
		send.Gauge(metricMemory, float64(bytes), m.Name, state)
	}
	for part, bytes := range map[string]int64{
		"live": mem.LiveBytes, "interned_strings": mem.StringBufferBytes, "key_table": mem.KeyTableBytes,
		"alignment": mem.AlignmentBytes, "preload": mem.PreloadBytes, "jit": mem.JITTableBytes, "unexplained": mem.UnexplainedBytes,
	} {
		send.Gauge(metricUsed, float64(bytes), m.Name, part)
	}
	send.Gauge(metricStrings, float64(m.Strings.UsedBytes), m.Name, "used")
	send.Gauge(metricStrings, float64(m.Strings.FreeBytes), m.Name, "free")
	send.Gauge(metricStringCount, float64(m.Strings.Count), m.Name)
	if m.JIT != nil {
		send.Gauge(metricJIT, float64(m.JIT.UsedBytes), m.Name, "used")
		send.Gauge(metricJIT, float64(m.JIT.SizeBytes-m.JIT.UsedBytes), m.Name, "free")
	}
}

func collectRequests(send metrics.Sink, m *MasterReport) {
	send.Counter(metricHits, m.Life.Hits, m.Name)
	send.Counter(metricMisses, m.Life.Misses, m.Name)
	if m.Life.Ratio != nil {
		send.Gauge(metricHitRatio, *m.Life.Ratio, m.Name)
	}
	if m.Window.Ratio != nil {
		send.Gauge(metricWindowRatio, *m.Window.Ratio, m.Name)
	}
	send.Counter(metricRestarts, m.Restarts.OOM, m.Name, "oom")
	send.Counter(metricRestarts, m.Restarts.Hash, m.Name, "hash")
	send.Counter(metricRestarts, m.Restarts.Manual, m.Name, "manual")
}

func collectRelease(send metrics.Sink, app string, r *ReleaseReport) {
	send.Gauge(metricInstances, float64(len(r.Instances)), app, r.Release)
	send.Gauge(metricHeldScripts, float64(r.LiveScripts), app, r.Release, "live")
	send.Gauge(metricHeldScripts, float64(r.DeadScripts), app, r.Release, "dead")
	send.Gauge(metricHeldBytes, float64(r.LiveBytes), app, r.Release, "live")
	send.Gauge(metricHeldBytes, float64(r.DeadBytes), app, r.Release, "dead")
	send.Gauge(metricReleaseSaved, float64(r.SavedBytes), app, r.Release)
}

func sendTime(send metrics.Sink, m metrics.Metric, at *time.Time, labels ...string) {
	if at != nil {
		send.Time(m, *at, labels...)
	}
}
