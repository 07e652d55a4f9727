package serve

import (
	"net/http"
	"runtime"
	"time"

	"relink/internal/metrics"
	"relink/internal/socket"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// figures are those of the service itself, beside those of the last reading.
type figures struct {
	registry *prometheus.Registry
	sampler  *sampler
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	restarts prometheus.Counter
	failures prometheus.Counter
}

const (
	// scrapes is how many may be answered at the same time.
	scrapes = 4
	// scrapeLimit is below Prometheus' own, so that a late answer is told as one.
	scrapeLimit = 9 * time.Second
)

func newMetrics(version string, s *sampler, st *store) *figures {
	m := &figures{
		registry: prometheus.NewRegistry(), sampler: s,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "relink_http_requests_total", Help: "Requests that were answered, by path and status."}, []string{"path", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "relink_http_request_duration_seconds",
			Help: "Time until a request was answered.", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1}}, []string{"path"}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{Name: "relink_pending_restarts_finished_total", Help: "Pending restarts of OPcache that the service has done."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "relink_pending_restart_failures_total", Help: "Tries of pending restarts that failed; one that waits for a quiet moment has not."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "relink_build_info", Help: "1, with the versions of relink and of Go as labels.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "relink_history_size_bytes", Help: "Size of the history on disk."},
		func() float64 { return float64(st.size()) })
	m.registry.MustRegister(m.requests, m.duration, m.restarts, m.failures, build, size, looks.Collector(s.collect),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds the connections of the listener.
func (m *figures) watch(l *socket.Limited) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "relink_http_connections", Help: "Connections that are open."}, func() float64 { return float64(l.Open()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "relink_http_connections_refused_total", Help: "Connections that were too many at once."},
			func() float64 { return float64(l.Refused()) }),
	)
}

// handler answers from the last reading; a scrape asks no pool.
func (m *figures) handler() http.Handler {
	last := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return m.sampler.current().families() })
	return promhttp.HandlerFor(prometheus.Gatherers{m.registry, last}, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapes, Timeout: scrapeLimit, ErrorHandling: promhttp.HTTPErrorOnError,
	})
}

// timed counts the requests of one path.
func (m *figures) timed(path string, next http.Handler) http.Handler {
	label := prometheus.Labels{"path": path}
	if path != "/" { // its events last for as long as somebody looks
		next = promhttp.InstrumentHandlerDuration(m.duration.MustCurryWith(label), next)
	}
	return promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(label), next)
}

var (
	looks         metrics.Names
	looksTotal    = looks.New("relink_looks_total", "Looks at everything; a full one reads the list of scripts.", "kind")
	lookDuration  = looks.New("relink_look_duration_seconds", "How long the last look took.", "kind")
	fullTime      = looks.New("relink_full_look_time_seconds", "When the list of scripts was read last, Unix time.")
	changesTotal  = looks.New("relink_changes_total", "Changes that were noticed.", "kind")
	pendingNumber = looks.New("relink_pending_restarts", "Restarts of OPcache that wait for a quiet moment.")
)

func (s *sampler) collect(to metrics.Sink) {
	for kind, name := range []string{"cheap", "full"} {
		to.Counter(looksTotal, s.counts[kind].Load(), name)
		to.Gauge(lookDuration, time.Duration(s.took[kind].Load()).Seconds(), name)
	}
	for kind, n := range s.changes.counted() {
		to.Counter(changesTotal, n, kind)
	}
	now := s.current()
	to.Time(fullTime, now.fullAt)
	to.Gauge(pendingNumber, float64(len(now.pending)))
}
