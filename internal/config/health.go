package config

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

func defaultHealth() Health {
	return Health{
		Timeout: 5 * time.Second, Window: 15 * time.Minute,
		Latency:      Bounds[time.Duration]{500 * time.Millisecond, 2 * time.Second},
		ListenQueue:  Bounds[int]{5, 50},
		MaxChildren:  Bounds[int]{0, 100},
		SlowRequests: Bounds[int]{0, 100},
		Memory:       Bounds[float64]{0.9, 0.97},
		Waste:        Bounds[float64]{0.25, 0.5},
		Keys:         Bounds[float64]{0.9, 0.97},
		Strings:      Bounds[float64]{0.95, 1},
		JIT:          Bounds[float64]{0.9, 1},
		Restarts:     Bounds[int]{0, 2},
		Mixed:        Bounds[time.Duration]{24 * time.Hour, 168 * time.Hour},
		Releases:     Bounds[int]{2, 20},
		HitRate:      Bounds[float64]{0.9, 0.7},
		Disk:         Bounds[float64]{0.1, 0.05},
		Inodes:       Bounds[float64]{0.1, 0.05},
	}
}

func (r *reader) health(h *Health) take {
	return r.section(keys{
		"timeout":       r.duration(&h.Timeout, moment),
		"window":        r.duration(&h.Window, time.Second),
		"skip":          r.list(&h.Skip, r.text),
		"latency":       bounds(r, &h.Latency, r.span),
		"listen_queue":  bounds(r, &h.ListenQueue, r.number),
		"max_children":  bounds(r, &h.MaxChildren, r.number),
		"slow_requests": bounds(r, &h.SlowRequests, r.number),
		"memory":        bounds(r, &h.Memory, r.ratio),
		"waste":         bounds(r, &h.Waste, r.ratio),
		"keys":          bounds(r, &h.Keys, r.ratio),
		"strings":       bounds(r, &h.Strings, r.ratio),
		"jit":           bounds(r, &h.JIT, r.ratio),
		"restarts":      bounds(r, &h.Restarts, r.number),
		"mixed":         bounds(r, &h.Mixed, r.span),
		"releases":      bounds(r, &h.Releases, r.number),
		"hit_rate":      bounds(r, &h.HitRate, r.ratio),
		"disk":          bounds(r, &h.Disk, r.ratio),
		"inodes":        bounds(r, &h.Inodes, r.ratio),
	})
}

func bounds[T int | float64 | time.Duration](r *reader, b *Bounds[T], read func(*T) take) take {
	return r.section(keys{"warning": read(&b.Warning), "critical": read(&b.Critical)})
}

func (r *reader) span(to *time.Duration) take { return r.duration(to, 0) }
func (r *reader) number(to *int) take         { return r.integer(to, 0, 1e9) }

func viewHealth(h Health) ordered {
	return pairs(
		"timeout", h.Timeout,
		"window", h.Window,
		"skip", h.Skip,
		"latency", viewBounds(h.Latency),
		"listen_queue", viewBounds(h.ListenQueue),
		"max_children", viewBounds(h.MaxChildren),
		"slow_requests", viewBounds(h.SlowRequests),
		"memory", viewBounds(h.Memory),
		"waste", viewBounds(h.Waste),
		"keys", viewBounds(h.Keys),
		"strings", viewBounds(h.Strings),
		"jit", viewBounds(h.JIT),
		"restarts", viewBounds(h.Restarts),
		"mixed", viewBounds(h.Mixed),
		"releases", viewBounds(h.Releases),
		"hit_rate", viewBounds(h.HitRate),
		"disk", viewBounds(h.Disk),
		"inodes", viewBounds(h.Inodes),
	)
}

func viewBounds[T int | float64 | time.Duration](b Bounds[T]) ordered {
	return pairs("warning", b.Warning, "critical", b.Critical)
}

// health refuses bounds in the wrong order: the milder one would never show.
func (v *validator) health() {
	h := v.Health
	v.skipped(h.Skip)
	atMost(v, "latency", h.Latency)
	atMost(v, "listen_queue", h.ListenQueue)
	atMost(v, "max_children", h.MaxChildren)
	atMost(v, "slow_requests", h.SlowRequests)
	atMost(v, "memory", h.Memory)
	atMost(v, "waste", h.Waste)
	atMost(v, "keys", h.Keys)
	atMost(v, "strings", h.Strings)
	atMost(v, "jit", h.JIT)
	atMost(v, "restarts", h.Restarts)
	atMost(v, "mixed", h.Mixed)
	atMost(v, "releases", h.Releases)
	atLeast(v, "hit_rate", h.HitRate)
	atLeast(v, "disk", h.Disk)
	atLeast(v, "inodes", h.Inodes)
}

func (v *validator) skipped(names []string) {
	for i, name := range names {
		if name == "" || len(v.checkNames) == 0 || slices.Contains(v.checkNames, name) {
			continue
		}
		v.wrong(item("health.skip", i), `no check is called %q%s`, name, cmp.Or(didYouMean(name, v.checkNames), `; "relink health --explain" lists them`))
	}
}

func atMost[T int | float64 | time.Duration](v *validator, key string, b Bounds[T]) {
	if b.Warning > b.Critical {
		v.wrong("health."+key, "warning (%s) is the milder bound and must not lie above critical (%s)", written(b.Warning), written(b.Critical))
	}
}

func atLeast[T int | float64 | time.Duration](v *validator, key string, b Bounds[T]) {
	if b.Warning < b.Critical {
		v.wrong("health."+key, "warning (%s) is the milder bound and must not lie below critical (%s): less is worse here", written(b.Warning), written(b.Critical))
	}
}

func written(value any) string { return fmt.Sprint(plainValue(value)) }
