package config

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// bound is a key below health with the two bounds of a check, which takes them by
// that key (health.Check.Bounds).
type bound struct {
	key      string
	unit     boundUnit
	less     bool // less is worse
	defaults Bounds
}

type boundUnit int

const (
	boundSpan boundUnit = iota // a duration, in seconds
	boundCount
	boundRatio
)

const hours = 3600 // seconds

var bounds = []bound{
	{"latency", boundSpan, false, Bounds{0.5, 2}},                // of a pool's answer
	{"listen_queue", boundCount, false, Bounds{5, 50}},           // connections that wait for a worker
	{"max_children", boundCount, false, Bounds{0, 100}},          // times that pm.max_children was reached in the window
	{"slow_requests", boundCount, false, Bounds{0, 100}},         // in the window
	{"memory", boundRatio, false, Bounds{0.9, 0.97}},             // of OPcache's memory that is not free
	{"waste", boundRatio, false, Bounds{0.25, 0.5}},              // of it that is wasted
	{"keys", boundRatio, false, Bounds{0.9, 0.97}},               // of max_cached_keys in use
	{"strings", boundRatio, false, Bounds{0.95, 1}},              // of the interned strings buffer in use
	{"jit", boundRatio, false, Bounds{0.9, 1}},                   // of the JIT buffer in use
	{"restarts", boundCount, false, Bounds{0, 2}},                // of OPcache by itself, in the window
	{"mixed", boundSpan, false, Bounds{24 * hours, 168 * hours}}, // that instances are on different releases
	{"releases", boundCount, false, Bounds{2, 20}},               // beyond those to be kept
	{"hit_rate", boundRatio, true, Bounds{0.9, 0.7}},             // of hits in the window
	{"disk", boundRatio, true, Bounds{0.1, 0.05}},                // of free bytes
	{"inodes", boundRatio, true, Bounds{0.1, 0.05}},              // of free inodes
}

func defaultHealth() Health {
	h := Health{Timeout: 5 * time.Second, Window: 15 * time.Minute, Bounds: map[string]Bounds{}}
	for _, b := range bounds {
		h.Bounds[b.key] = b.defaults
	}
	return h
}

func (r *reader) health(h *Health) take {
	known := keys{
		"timeout": r.duration(&h.Timeout, moment),
		"window":  r.duration(&h.Window, time.Second),
		"skip":    r.list(&h.Skip, r.text),
	}
	for _, b := range bounds {
		known[b.key] = func(n node) {
			both := h.Bounds[b.key]
			r.section(keys{"warning": r.bound(b.unit, &both.Warning), "critical": r.bound(b.unit, &both.Critical)})(n)
			h.Bounds[b.key] = both
		}
	}
	return r.section(known)
}

func (r *reader) bound(unit boundUnit, to *float64) take {
	return func(n node) {
		switch unit {
		case boundSpan:
			span := seconds(*to)
			r.duration(&span, 0)(n)
			*to = span.Seconds()
		case boundCount:
			count := int(*to)
			r.integer(&count, 0, 1e9)(n)
			*to = float64(count)
		default:
			r.ratio(to)(n)
		}
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// written is a bound as the file has it.
func (b bound) written(value float64) any {
	switch b.unit {
	case boundSpan:
		return plainValue(seconds(value))
	case boundCount:
		return int(value)
	}
	return value
}

func viewHealth(h Health) ordered {
	view := pairs("timeout", h.Timeout, "window", h.Window, "skip", h.Skip)
	for _, b := range bounds {
		both := h.Bounds[b.key]
		view.add(b.key, pairs("warning", b.written(both.Warning), "critical", b.written(both.Critical)))
	}
	return view
}

// health refuses bounds in the wrong order: the milder one would never show.
func (v *validator) health() {
	v.skipped(v.Health.Skip)
	for _, b := range bounds {
		both := v.Health.Bounds[b.key]
		warning, critical := fmt.Sprint(b.written(both.Warning)), fmt.Sprint(b.written(both.Critical))
		switch {
		case !b.less && both.Warning > both.Critical:
			v.wrong("health."+b.key, "warning (%s) is the milder bound and must not lie above critical (%s)", warning, critical)
		case b.less && both.Warning < both.Critical:
			v.wrong("health."+b.key, "warning (%s) is the milder bound and must not lie below critical (%s): less is worse here", warning, critical)
		}
	}
}

func (v *validator) skipped(names []string) {
	for i, name := range names {
		if name == "" || len(v.checkNames) == 0 || slices.Contains(v.checkNames, name) {
			continue
		}
		v.wrong(item("health.skip", i), `no check is called %q%s`, name, cmp.Or(didYouMean(name, v.checkNames), `; "relink health --explain" lists them`))
	}
}
