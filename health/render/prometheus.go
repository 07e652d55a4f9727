package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"relink/deploy/outcome"
	"relink/fcgi"
	"relink/health"
	"relink/internal/durable"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// metric is one name of the contract in docs/health.md.
type metric struct{ desc *prometheus.Desc }

var allMetrics []metric

func newMetric(name, help string, labels ...string) metric {
	m := metric{prometheus.NewDesc("relink_"+name, help, labels, nil)}
	allMetrics = append(allMetrics, m)
	return m
}

var (
	metricCheck    = newMetric("check_state", "State of a check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", "check", "subject")
	metricTime     = newMetric("health_time_seconds", "When the checks were made, Unix time.")
	metricDuration = newMetric("health_duration_seconds", "How long the checks took.")

	metricUp          = newMetric("pool_up", "Whether the pool answers.", "pool")
	metricLatency     = newMetric("pool_latency_seconds", "Time until the pool answered.", "pool")
	metricQueue       = newMetric("pool_listen_queue_connections", "Connections that wait for a worker.", "pool")
	metricAccepted    = newMetric("pool_accepted_connections_total", "Connections that the pool has accepted.", "pool")
	metricMaxChildren = newMetric("pool_max_children_reached_total", "Times that pm.max_children forbade a further worker.", "pool")
	metricSlow        = newMetric("pool_slow_requests_total", "Requests that took longer than request_slowlog_timeout.", "pool")
	metricWorkers     = newMetric("pool_workers", "Workers by state; one is active for this question.", "pool", "state")

	metricLinks     = newMetric("app_instances", "Instances by the state of their link.", "app", "state")
	metricSince     = newMetric("app_last_switch_time_seconds", "When a link of the application was moved last, Unix time.", "app")
	metricDeploying = newMetric("app_deploy_running", "Whether a deploy is under way.", "app")
	metricPrunable  = newMetric("app_prunable_bytes", "Size of the releases that relink prune would remove.", "app")

	metricDisk       = newMetric("filesystem_free_bytes", "Free space, for others than root.", "path")
	metricDiskSize   = newMetric("filesystem_size_bytes", "Size of the file system, without what is reserved.", "path")
	metricInodes     = newMetric("filesystem_free_inodes", "Free inodes.", "path")
	metricInodesSize = newMetric("filesystem_inodes", "Inodes of the file system.", "path")
)

// Prometheus writes facts, results and the caches' figures in the text
// exposition format.
func Prometheus(w io.Writer, f health.Facts, results []health.Result) error {
	registry := prometheus.NewPedanticRegistry()
	for _, c := range Collectors(f, results) {
		if err := registry.Register(c); err != nil {
			return fmt.Errorf("write for Prometheus: %w", err)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("write for Prometheus: %w", err)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return fmt.Errorf("write for Prometheus: %w", err)
		}
	}
	return nil
}

// Textfile puts the metrics where node_exporter's textfile collector reads
// them, in one step: it must never see half a file.
func Textfile(path string, f health.Facts, results []health.Result) error {
	var text bytes.Buffer
	if err := Prometheus(&text, f, results); err != nil {
		return err
	}
	return durable.WriteFile(path, text.Bytes(), 0o644)
}

// Collectors give all metrics of one time to a registry.
func Collectors(f health.Facts, results []health.Result) []prometheus.Collector {
	all := []prometheus.Collector{collector{f, results}}
	if f.Report != nil {
		all = append(all, f.Report.Collector())
	}
	return all
}

type collector struct {
	facts   health.Facts
	results []health.Result
}

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range allMetrics {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	send := sink{to}
	seen := map[[2]string]bool{}
	for _, r := range c.results {
		if key := [2]string{r.Check, r.Subject}; !seen[key] { // one value for each label set
			seen[key] = true
			send.gauge(metricCheck, float64(r.State), r.Check, r.Subject)
		}
	}
	send.gauge(metricTime, float64(c.facts.Time.UnixMilli())/1e3)
	send.gauge(metricDuration, c.facts.Took.Seconds())
	for i := range c.facts.Pools {
		collectPool(send, &c.facts.Pools[i])
	}
	for i := range c.facts.Apps {
		collectApp(send, &c.facts.Apps[i])
	}
	for _, fs := range c.facts.FileSystems {
		collectFileSystem(send, fs)
	}
}

func collectPool(send sink, p *health.Pool) {
	send.flag(metricUp, p.Err == nil, p.Address)
	if p.Queue != nil {
		send.gauge(metricQueue, float64(*p.Queue), p.Address)
	}
	if p.Err != nil {
		return
	}
	send.gauge(metricLatency, p.Latency.Seconds(), p.Address)
	if p.Status == nil {
		return
	}
	send.counter(metricAccepted, p.Status.AcceptedConn, p.Address)
	send.counter(metricMaxChildren, p.Status.MaxChildrenReached, p.Address)
	send.counter(metricSlow, p.Status.SlowRequests, p.Address)
	idle := 0
	for _, w := range p.Status.Processes {
		if w.State == fcgi.StateIdle {
			idle++
		}
	}
	send.gauge(metricWorkers, float64(idle), p.Address, "idle")
	send.gauge(metricWorkers, float64(len(p.Status.Processes)-idle), p.Address, "active")
}

func collectApp(send sink, a *health.App) {
	states := map[health.State]int{health.OK: 0, health.Warning: 0, health.Critical: 0}
	for i := range a.Instances {
		state, _ := a.Instances[i].Judge()
		states[state]++
	}
	for state, n := range states {
		send.gauge(metricLinks, float64(n), a.Name, strings.ToLower(state.String()))
	}
	if at := a.Changed(); !at.IsZero() {
		send.gauge(metricSince, float64(at.UnixMilli())/1e3, a.Name)
	}
	send.flag(metricDeploying, a.Locked != nil, a.Name)
	send.gauge(metricPrunable, float64(prunableBytes(a.Prunable)), a.Name)
}

func prunableBytes(all []outcome.PrunedRelease) int64 {
	var sum int64
	for _, one := range all {
		sum += one.Bytes
	}
	return sum
}

func collectFileSystem(send sink, fs health.FileSystem) {
	if fs.Err != nil {
		return
	}
	send.gauge(metricDisk, float64(fs.FreeBytes), fs.Path)
	send.gauge(metricDiskSize, float64(fs.Bytes), fs.Path)
	if fs.Inodes > 0 {
		send.gauge(metricInodes, float64(fs.Free), fs.Path)
		send.gauge(metricInodesSize, float64(fs.Inodes), fs.Path)
	}
}

// sink sends values with their labels.
type sink struct{ to chan<- prometheus.Metric }

func (s sink) gauge(m metric, value float64, labels ...string) {
	s.send(m, prometheus.GaugeValue, value, labels)
}

func (s sink) counter(m metric, value int64, labels ...string) {
	s.send(m, prometheus.CounterValue, float64(value), labels)
}

func (s sink) flag(m metric, value bool, labels ...string) {
	number := 0.0
	if value {
		number = 1
	}
	s.gauge(m, number, labels...)
}

func (s sink) send(m metric, kind prometheus.ValueType, value float64, labels []string) {
	for i, label := range labels { // the format has no other bytes
		labels[i] = strings.ToValidUTF8(label, "\uFFFD")
	}
	s.to <- prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}
