// Package metrics is how figures become Prometheus' text format: each name is declared
// once, and a value is sent under it.
package metrics

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// Metric is one name of the contract in docs/health.md and docs/opcache-report.md.
type Metric struct{ desc *prometheus.Desc }

// Names are the metrics that one collector sends.
type Names struct {
	Prefix string
	all    []*prometheus.Desc
}

// New declares one.
func (n *Names) New(name, help string, labels ...string) Metric {
	desc := prometheus.NewDesc(n.Prefix+name, help, labels, nil)
	n.all = append(n.all, desc)
	return Metric{desc}
}

// Collector gives a registry what send sends.
func (n *Names) Collector(send func(Sink)) prometheus.Collector { return collector{n, send} }

type collector struct {
	names *Names
	send  func(Sink)
}

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range c.names.all {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) { c.send(Sink{to}) }

// Write writes what the collectors send.
func Write(w io.Writer, collectors ...prometheus.Collector) error {
	registry := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
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

// Sink takes values with their labels.
type Sink struct{ to chan<- prometheus.Metric }

func (s Sink) Gauge(m Metric, value float64, labels ...string) {
	s.send(m, prometheus.GaugeValue, value, labels)
}

func (s Sink) Counter(m Metric, value int64, labels ...string) {
	s.send(m, prometheus.CounterValue, float64(value), labels)
}

func (s Sink) Flag(m Metric, value bool, labels ...string) {
	number := 0.0
	if value {
		number = 1
	}
	s.Gauge(m, number, labels...)
}

// Time sends Unix time; nothing for the zero time.
func (s Sink) Time(m Metric, at time.Time, labels ...string) {
	if !at.IsZero() {
		s.Gauge(m, float64(at.UnixMilli())/1e3, labels...)
	}
}

func (s Sink) send(m Metric, kind prometheus.ValueType, value float64, labels []string) {
	for i, label := range labels { // the format has no other bytes
		labels[i] = strings.ToValidUTF8(label, "\uFFFD")
	}
	s.to <- prometheus.MustNewConstMetric(m.desc, kind, value, labels...)
}
