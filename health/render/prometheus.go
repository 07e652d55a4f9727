package render

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"

	"relink/health"
	"relink/internal/durable"
	"relink/internal/hint"
	"relink/internal/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

// names are the contract of docs/health.md.
var names = metrics.Names{Prefix: "relink_"}

var (
	metricCheck    = names.New("check_state", "State of a check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", "check", "subject")
	metricTime     = names.New("health_time_seconds", "When the checks were made, Unix time.")
	metricDuration = names.New("health_duration_seconds", "How long the checks took.")

	metricUp          = names.New("pool_up", "Whether the pool answers.", "pool")
	metricLatency     = names.New("pool_latency_seconds", "Time until the pool answered.", "pool")
	metricQueue       = names.New("pool_listen_queue_connections", "Connections that wait for a worker.", "pool")
	metricAccepted    = names.New("pool_accepted_connections_total", "Connections that the pool has accepted.", "pool")
	metricMaxChildren = names.New("pool_max_children_reached_total", "Times that pm.max_children forbade a further worker.", "pool")
	metricSlow        = names.New("pool_slow_requests_total", "Requests that took longer than request_slowlog_timeout.", "pool")
	metricWorkers     = names.New("pool_workers", "Workers by state; one is active for this question.", "pool", "state")

	metricLinks     = names.New("app_instances", "Instances by the state of their link.", "app", "state")
	metricSince     = names.New("app_last_switch_time_seconds", "When a link of the application was moved last, Unix time.", "app")
	metricDeploying = names.New("app_deploy_running", "Whether a deploy is under way.", "app")
	metricPrunable  = names.New("app_prunable_bytes", "Size of the releases that relink prune would remove.", "app")

	metricDisk       = names.New("filesystem_free_bytes", "Free space, for others than root.", "path")
	metricDiskSize   = names.New("filesystem_size_bytes", "Size of the file system, without what is reserved.", "path")
	metricInodes     = names.New("filesystem_free_inodes", "Free inodes.", "path")
	metricInodesSize = names.New("filesystem_inodes", "Inodes of the file system.", "path")
)

// Prometheus writes facts, results and the caches' figures in the text
// exposition format.
func Prometheus(w io.Writer, f health.Facts, results []health.Result) error {
	return metrics.Write(w, Collectors(f, results)...)
}

// Textfile puts the metrics where node_exporter's textfile collector reads
// them, in one step: it must never see half a file.
func Textfile(path string, f health.Facts, results []health.Result) error {
	var text bytes.Buffer
	if err := Prometheus(&text, f, results); err != nil {
		return err
	}
	err := durable.WriteFile(path, text.Bytes(), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return hint.With(err, "make the folder, or name the one that node_exporter reads (--collector.textfile.directory)")
	}
	return err
}

// Collectors give all metrics of one time to a registry.
func Collectors(f health.Facts, results []health.Result) []prometheus.Collector {
	all := []prometheus.Collector{names.Collector(func(send metrics.Sink) { collect(send, &f, results) })}
	if f.Report != nil {
		all = append(all, f.Report.Collector())
	}
	return all
}

func collect(send metrics.Sink, f *health.Facts, results []health.Result) {
	seen := map[[2]string]bool{}
	for _, r := range results {
		if key := [2]string{r.Check, r.Subject}; !seen[key] { // one value for each label set
			seen[key] = true
			send.Gauge(metricCheck, float64(r.State), r.Check, r.Subject)
		}
	}
	send.Time(metricTime, f.Time)
	send.Gauge(metricDuration, f.Took.Seconds())
	for i := range f.Pools {
		collectPool(send, &f.Pools[i])
	}
	for i := range f.Apps {
		collectApp(send, &f.Apps[i])
	}
	collectFleet(send, f.Fleet)
	for _, fs := range f.FileSystems {
		if fs.Err == nil {
			collectFileSystem(send, fs)
		}
	}
}

func collectPool(send metrics.Sink, p *health.Pool) {
	send.Flag(metricUp, p.Err == nil, p.Address)
	if p.Queue != nil {
		send.Gauge(metricQueue, float64(*p.Queue), p.Address)
	}
	if p.Err != nil {
		return
	}
	send.Gauge(metricLatency, p.Latency.Seconds(), p.Address)
	if p.Status == nil {
		return
	}
	send.Counter(metricAccepted, p.Status.AcceptedConn, p.Address)
	send.Counter(metricMaxChildren, p.Status.MaxChildrenReached, p.Address)
	send.Counter(metricSlow, p.Status.SlowRequests, p.Address)
	idle, active := p.Workers()
	send.Gauge(metricWorkers, float64(idle), p.Address, "idle")
	send.Gauge(metricWorkers, float64(active), p.Address, "active")
}

func collectApp(send metrics.Sink, a *health.App) {
	states := map[health.State]int{health.OK: 0, health.Warning: 0, health.Critical: 0}
	for i := range a.Instances {
		state, _ := a.Instances[i].Judge()
		states[state]++
	}
	for state, n := range states {
		send.Gauge(metricLinks, float64(n), a.Name, strings.ToLower(state.String()))
	}
	send.Time(metricSince, a.Changed(), a.Name)
	send.Flag(metricDeploying, a.Locked != nil, a.Name)
	send.Gauge(metricPrunable, float64(a.PrunableBytes()), a.Name)
}

func collectFileSystem(send metrics.Sink, fs health.FileSystem) {
	send.Gauge(metricDisk, float64(fs.FreeBytes), fs.Path)
	send.Gauge(metricDiskSize, float64(fs.Bytes), fs.Path)
	if fs.Inodes > 0 {
		send.Gauge(metricInodes, float64(fs.Free), fs.Path)
		send.Gauge(metricInodesSize, float64(fs.Inodes), fs.Path)
	}
}
