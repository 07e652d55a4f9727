package config

import (
	"cmp"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// bound is a key below health with the two bounds of a check, which takes them by
// that key (health.Check.Bounds).
type bound struct {
	key      string
	unit     scale
	less     bool // less is worse
	defaults Bounds
}

const hours = 3600 // seconds

var bounds = []bound{
	{"latency", inSeconds, false, Bounds{0.5, 2}},                // of a pool's answer
	{"listen_queue", counted, false, Bounds{5, 50}},              // connections that wait for a worker
	{"max_children", counted, false, Bounds{0, 100}},             // times that pm.max_children was reached in the window
	{"slow_requests", counted, false, Bounds{0, 100}},            // in the window
	{"memory", ratio, false, Bounds{0.9, 0.97}},                  // of OPcache's memory that is not free
	{"waste", ratio, false, Bounds{0.25, 0.5}},                   // of it that is wasted
	{"keys", ratio, false, Bounds{0.9, 0.97}},                    // of max_cached_keys in use
	{"strings", ratio, false, Bounds{0.95, 1}},                   // of the interned strings buffer in use
	{"jit", ratio, false, Bounds{0.9, 1}},                        // of the JIT buffer in use
	{"restarts", counted, false, Bounds{0, 2}},                   // of OPcache by itself, in the window
	{"mixed", inSeconds, false, Bounds{24 * hours, 168 * hours}}, // that instances are on different releases
	{"releases", counted, false, Bounds{2, 20}},                  // beyond those to be kept
	{"hit_rate", ratio, true, Bounds{0.9, 0.7}},                  // of hits in the window
	{"disk", ratio, true, Bounds{0.1, 0.05}},                     // of free bytes
	{"inodes", ratio, true, Bounds{0.1, 0.05}},                   // of free inodes
}

func (h *Health) preset() {
	h.Bounds = map[string]Bounds{}
	for _, b := range bounds {
		h.Bounds[b.key] = b.defaults
	}
}

func (h *Health) schema(known fields) value {
	for _, b := range bounds {
		both := h.Bounds[b.key]
		v := section(fields{{"warning", b.unit.value(&both.Warning)}, {"critical", b.unit.value(&both.Critical)}})
		read := v.read
		v.read = func(r *reader, n node) {
			read(r, n)
			h.Bounds[b.key] = both
		}
		known = append(known, field{b.key, v})
	}
	return section(known)
}

// scale is how the file gives a figure that a check compares.
type scale struct {
	read as[float64]
	show func(float64) any
}

func (u scale) value(to *float64) value { return of(to, u.read, u.show) }

var (
	ratio     = scale{asRatio, func(n float64) any { return n }}
	inSeconds = scale{func(yaml ast.Node) (float64, error) {
		d, err := asDuration("")(yaml)
		return d.Seconds(), err
	}, func(n float64) any { return shortDuration(time.Duration(n * float64(time.Second))) }}
	counted = scale{func(yaml ast.Node) (float64, error) {
		n, err := asInteger[int](`least:"0" most:"1000000000"`)(yaml)
		return float64(n), err
	}, func(n float64) any { return int(n) }}
)

// health refuses bounds in the wrong order: the milder one would never show.
func (v *validator) health() {
	v.skipped(v.Health.Skip)
	for _, b := range bounds {
		both := v.Health.Bounds[b.key]
		warning, critical := b.unit.show(both.Warning), b.unit.show(both.Critical)
		switch {
		case !b.less && both.Warning > both.Critical:
			v.wrong("health."+b.key, "warning (%v) is the milder bound and must not lie above critical (%v)", warning, critical)
		case b.less && both.Warning < both.Critical:
			v.wrong("health."+b.key, "warning (%v) is the milder bound and must not lie below critical (%v): less is worse here", warning, critical)
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
