package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"relink/health"
	"relink/health/serve/page"
	"relink/internal/ui"
	"relink/opcache/report"
	"relink/opcache/restart"
)

// DocumentVersion is that of the JSON contract, docs/serve.md. It rises when a
// field changes its meaning or goes; new fields may come without.
const DocumentVersion = 1

// State is where everything stands.
type State struct {
	Version   int               `json:"version"`
	Time      time.Time         `json:"time"`             // of the last look
	FullTime  time.Time         `json:"full_time"`        // of the last one with the list of scripts
	TookMS    float64           `json:"took_ms"`          // the last look
	IntervalS float64           `json:"interval_seconds"` // between two looks, as configured
	Host      string            `json:"host,omitempty"`   // name of the machine
	State     health.State      `json:"state"`            // the worst result of the checks
	Apps      []page.App        `json:"apps"`
	Fleet     *page.Fleet       `json:"fleet,omitempty"` // absent where this host is by itself
	Pools     []page.Pool       `json:"pools"`
	Caches    *report.Report    `json:"caches"`
	Pending   []restart.Pending `json:"pending_restarts"`
	Changes   []Change          `json:"changes"` // the last that were noticed, newest first
}

func stateOf(r *reading, s *sampler) State {
	snapshot := r.snapshot()
	return State{
		Version: DocumentVersion, Time: r.facts.Time.UTC(), FullTime: r.fullAt.UTC(), TookMS: ui.Milliseconds(r.facts.Took),
		IntervalS: s.Interval.Seconds(), Host: hostname(), State: health.Worst(r.results),
		Apps: snapshot.Apps, Fleet: snapshot.Fleet, Pools: snapshot.Pools, Caches: r.facts.Report,
		Pending: append([]restart.Pending{}, r.pending...), Changes: s.changes.newest(),
	}
}

// History is what happened over time.
type History struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"`        // what the answer is about
	Until   time.Time `json:"until"`        // what the answer is about
	StepS   float64   `json:"step_seconds"` // that each point stands for, at most
	Points  []Point   `json:"points"`       // oldest first
}

// Deploys are the deploys that ended.
type Deploys struct {
	Version int           `json:"version"`
	Deploys []page.Deploy `json:"deploys"`         // newest first
	Error   string        `json:"error,omitempty"` // why some are missing
}

// Refusal is the answer to what cannot be answered.
type Refusal struct {
	Error string `json:"error"` // why
}

// errQuestion means that a question cannot be understood.
var errQuestion = errors.New("bad request")

// errEarly means that nothing is known yet.
var errEarly = errors.New("the first look has not ended")

// question makes the JSON that answers a request.
type question func(url.Values) ([]byte, error)

func (s *service) answer(q question) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			err = fmt.Errorf("%w: %w", errQuestion, err)
		} else {
			body, err = q(values)
		}
		status := statusOf(err)
		if err != nil {
			body, _ = encode(Refusal{err.Error()}) // a text always encodes
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		w.Write(body) // a client that has gone away needs no answer
	})
}

func statusOf(err error) int {
	switch {
	case err == nil:
		return http.StatusOK
	case errors.Is(err, errQuestion):
		return http.StatusBadRequest
	case errors.Is(err, errEarly):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func encode(document any) ([]byte, error) {
	text, err := json.Marshal(document)
	return append(text, '\n'), err
}

// only refuses parameters that are not known: a misspelt one would be left out
// in silence.
func only(values url.Values, known ...string) error {
	for name, given := range values {
		if !slices.Contains(known, name) || len(given) != 1 {
			return fmt.Errorf("%w: parameter %q; known here: %q, each once", errQuestion, name, known)
		}
	}
	return nil
}

// last answers from the last reading.
func (s *service) last(answer func(*reading) ([]byte, error)) question {
	return func(v url.Values) ([]byte, error) {
		now := s.sampler.current()
		if err := only(v); err != nil {
			return nil, err
		}
		if now.facts.Time.IsZero() {
			return nil, errEarly
		}
		return answer(now)
	}
}

const (
	usualPoints = 360
	mostPoints  = 2000
	mostDeploys = 200
)

func (s *service) points(v url.Values) ([]byte, error) {
	if err := only(v, "since", "until", "points"); err != nil {
		return nil, err
	}
	now := time.Now()
	until, err := instantIn(v, "until", now)
	if err != nil {
		return nil, err
	}
	since, err := instantIn(v, "since", until.Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	n, err := numberIn(v, "points", usualPoints, mostPoints)
	if err != nil {
		return nil, err
	}
	step, err := stretch(since, until, n)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errQuestion, err)
	}
	return encode(History{
		Version: DocumentVersion, Since: since.UTC(), Until: until.UTC(), StepS: step.Seconds(), Points: s.history.between(since, until, step),
	})
}

func (s *service) lastDeploys(v url.Values) ([]byte, error) {
	if err := only(v, "app", "limit"); err != nil {
		return nil, err
	}
	n, err := numberIn(v, "limit", 20, mostDeploys)
	if err != nil {
		return nil, err
	}
	app := v.Get("app")
	if app != "" && !s.sampler.deploys.knows(app) {
		return nil, fmt.Errorf("%w: no application %q", errQuestion, app)
	}
	d := Deploys{Version: DocumentVersion}
	if d.Deploys, err = s.sampler.deploys.newest(app, n); err != nil {
		d.Error = err.Error()
	}
	return encode(d)
}

// instantIn reads a time, as RFC 3339 or in Unix seconds.
func instantIn(v url.Values, name string, usual time.Time) (time.Time, error) {
	text := v.Get(name)
	if text == "" {
		return usual, nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 0 && seconds < 1<<40 {
		return time.Unix(seconds, 0), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Year() < 1970 {
		return at, fmt.Errorf("%w: %s=%q is neither a time like 2026-01-31T12:00:00Z nor Unix seconds", errQuestion, name, text)
	}
	return at, nil
}

func numberIn(v url.Values, name string, usual, most int) (int, error) {
	text := v.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%w: %s=%q is not a number from 1 to %d", errQuestion, name, text, most)
	}
	return n, nil
}
