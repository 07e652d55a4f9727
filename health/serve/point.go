package serve

import (
	"cmp"
	"slices"
	"time"

	"relink/health"
)

// Point is what happened in a stretch of time. Points that follow each other can
// be joined into one.
type Point struct {
	Time    time.Time    `json:"time"`    // its end
	Seconds float64      `json:"seconds"` // its length
	State   health.State `json:"state"`   // the worst in it
	Caches  []CachePoint `json:"caches"`
	Pools   []PoolPoint  `json:"pools"`
}

// CachePoint is one OPcache. Counts are those of the stretch, nil where they are
// not known; bytes and keys are those at its end.
type CachePoint struct {
	Name        string `json:"name"`         // of the cache
	Hits        *int64 `json:"hits"`         // look-ups that found their script
	Misses      *int64 `json:"misses"`       // look-ups that did not
	UsedBytes   int64  `json:"used_bytes"`   // at its end, without what is wasted
	FreeBytes   int64  `json:"free_bytes"`   // at its end
	WastedBytes int64  `json:"wasted_bytes"` // at its end
	Keys        int64  `json:"keys"`         // in use, at its end
	MaxKeys     int64  `json:"max_keys"`     // that there are
}

// PoolPoint is one pool. Queue and Active are the most in the stretch.
type PoolPoint struct {
	Address  string `json:"address"`  // as configured
	Up       bool   `json:"up"`       // at each look
	Requests *int64 `json:"requests"` // connections accepted, relink's own among them; nil: not known
	Queue    *int64 `json:"queue"`    // connections that waited
	Active   int64  `json:"active"`   // workers
	Total    int64  `json:"total"`    // workers
}

func pointOf(before, now *health.Facts, results []health.Result) Point {
	p := Point{Time: now.Time.UTC(), Seconds: now.Time.Sub(before.Time).Seconds(), State: health.Worst(results), Caches: []CachePoint{}, Pools: []PoolPoint{}}
	for i := range now.Masters {
		if m := &now.Masters[i]; m.Err == nil {
			p.Caches = append(p.Caches, cachePoint(before.Masters, m))
		}
	}
	for i := range now.Pools {
		p.Pools = append(p.Pools, poolPoint(before.Pools, &now.Pools[i]))
	}
	return p
}

func cachePoint(before []health.Master, m *health.Master) CachePoint {
	c := CachePoint{
		Name: m.Name, UsedBytes: m.Memory.UsedBytes, FreeBytes: m.Memory.FreeBytes, WastedBytes: m.Memory.WastedBytes,
		Keys: m.Keys.Used, MaxKeys: m.Keys.Max,
	}
	for i := range before {
		if old := &before[i].MasterReport; notEmptied(old, &m.MasterReport) {
			c.Hits, c.Misses = grown(old.Life.Hits, m.Life.Hits), grown(old.Life.Misses, m.Life.Misses)
		}
	}
	return c
}

func poolPoint(before []health.Pool, now *health.Pool) PoolPoint {
	p := PoolPoint{Address: now.Address, Up: now.Err == nil, Queue: now.Queue}
	if now.Status == nil {
		return p
	}
	idle, active := now.Workers()
	p.Active, p.Total = active, idle+active
	at := slices.IndexFunc(before, func(o health.Pool) bool { return o.Address == now.Address && o.Status != nil })
	if at >= 0 && before[at].Status.StartTime.Equal(now.Status.StartTime) {
		p.Requests = grown(before[at].Status.AcceptedConn, now.Status.AcceptedConn)
	}
	return p
}

// grown is nil where a counter began anew.
func grown(before, now int64) *int64 {
	if now < before {
		return nil
	}
	return new(now - before)
}

// join adds a later point.
func (p Point) join(later Point) Point {
	joined := Point{Time: later.Time, Seconds: p.Seconds + later.Seconds, State: p.State.Or(later.State)}
	joined.Caches = append([]CachePoint{}, later.Caches...)
	for i := range joined.Caches {
		c := &joined.Caches[i]
		if at := slices.IndexFunc(p.Caches, func(o CachePoint) bool { return o.Name == c.Name }); at >= 0 {
			c.Hits, c.Misses = addKnown(p.Caches[at].Hits, c.Hits), addKnown(p.Caches[at].Misses, c.Misses)
		}
	}
	joined.Pools = append([]PoolPoint{}, later.Pools...)
	for i := range joined.Pools {
		one := &joined.Pools[i]
		if at := slices.IndexFunc(p.Pools, func(o PoolPoint) bool { return o.Address == one.Address }); at >= 0 {
			old := p.Pools[at]
			one.Up = one.Up && old.Up
			one.Requests = addKnown(old.Requests, one.Requests)
			one.Active, one.Queue = max(one.Active, old.Active), joinKnown(old.Queue, one.Queue, func(a, b int64) int64 { return max(a, b) })
		}
	}
	return joined
}

func addKnown(a, b *int64) *int64 { return joinKnown(a, b, func(a, b int64) int64 { return a + b }) }

// joinKnown joins what is known: a stretch that holds a restart tells too little rather
// than nothing.
func joinKnown(a, b *int64, join func(a, b int64) int64) *int64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return new(join(*a, *b))
}

// thin joins points so that each stands for one step of time.
func thin(points []Point, step time.Duration) []Point {
	out := []Point{}
	for _, p := range points {
		if n := len(out); n > 0 && out[n-1].Time.Truncate(step).Equal(p.Time.Truncate(step)) {
			out[n-1] = out[n-1].join(p)
			continue
		}
		out = append(out, p)
	}
	return out
}
