package serve

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"relink/health"
	"relink/health/render"
	"relink/health/serve/page"
	"relink/opcache/restart"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// reading is what one look gave, with the answers made from it. Answers are made
// once, when they are asked for first, however many ask.
type reading struct {
	facts   health.Facts
	results []health.Result
	pending []restart.Pending
	fullAt  time.Time

	snapshot func() page.Snapshot
	families func() ([]*dto.MetricFamily, error)
	state    func() ([]byte, error)
	checks   func() ([]byte, error)
}

func newReading(s *sampler, f health.Facts, results []health.Result, pending []restart.Pending) *reading {
	r := &reading{facts: f, results: results, pending: pending}
	if s.full != nil {
		r.fullAt = s.full.Time
	}
	r.snapshot = sync.OnceValue(func() page.Snapshot { return snapshotOf(r, s.deploys, s.history) })
	r.families = sync.OnceValues(r.gatherMetrics)
	r.state = sync.OnceValues(func() ([]byte, error) { return encode(stateOf(r, s)) })
	r.checks = sync.OnceValues(func() ([]byte, error) { return encode(render.NewDocument(r.results, r.facts.Time, r.facts.Took)) })
	return r
}

func (r *reading) gatherMetrics() ([]*dto.MetricFamily, error) {
	registry := prometheus.NewRegistry()
	if r.facts.Time.IsZero() {
		return nil, nil
	}
	for _, c := range render.Collectors(r.facts, r.results) {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return registry.Gather()
}

// critical lists what is CRITICAL.
func (r *reading) critical() []string {
	var list []string
	for _, one := range r.results {
		if one.State == health.Critical {
			list = append(list, strings.TrimSpace(one.Check+" "+one.Subject)+": "+one.Message)
		}
	}
	return list
}

// status is one line for the service manager.
func (r *reading) status() string {
	if r.facts.Time.IsZero() {
		return "looking"
	}
	problems := slices.DeleteFunc(slices.Clone(r.results), func(one health.Result) bool { return one.State == health.OK })
	return fmt.Sprintf("%s, %d of %d results not OK", health.Worst(r.results), len(problems), len(r.results))
}

// hostname names the machine on the page; "" where it has no name.
var hostname = sync.OnceValue(func() string {
	name, _ := os.Hostname()
	return name
})
