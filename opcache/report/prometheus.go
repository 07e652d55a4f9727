package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Prometheus writes the figures in the text exposition format. Scripts are no
// labels: their number has no bound.
func (r *Report) Prometheus(w io.Writer) error {
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(r.Collector()); err != nil {
		return fmt.Errorf("write the report for Prometheus: %w", err)
	}
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("write the report for Prometheus: %w", err)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return fmt.Errorf("write the report for Prometheus: %w", err)
		}
	}
	return nil
}

// Collector gives the figures to a registry.
func (r *Report) Collector() prometheus.Collector { return collector{r} }

type collector struct{ report *Report }

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range allMetrics {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	r := c.report
	send := sink{to}
	send.gauge(metricSaved, float64(r.SavedBytes))
	for i := range r.Masters {
		collectMaster(send, &r.Masters[i])
	}
	for i := range r.Applications {
		for n := range r.Applications[i].Releases {
			collectRelease(send, r.Applications[i].Name, &r.Applications[i].Releases[n])
		}
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

func (s sink) time(m metric, at *time.Time, labels ...string) {
	if at != nil {
		s.gauge(m, float64(at.UnixMilli())/1e3, labels...)
	}
}

func (s sink) send(m metric, kind prometheus.ValueType, value float64, labels []string) {
	for i, label := range labels { // the format has no other bytes
		labels[i] = strings.ToValidUTF8(label, "\uFFFD")
	}
	s.to <- prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}
