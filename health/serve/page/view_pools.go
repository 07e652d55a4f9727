package page

import (
	"html/template"
	"slices"
)

type poolView struct {
	ID string
	Pool
	Bar template.HTML
}

// Pools that are down come first.
func poolsRegion(s Snapshot) region {
	v := region{id: "pools", part: "pool", view: struct{ None bool }{len(s.Pools) == 0}}
	isDown := func(p Pool) bool { return p.Error != "" }
	up := slices.DeleteFunc(slices.Clone(s.Pools), isDown)
	down := slices.DeleteFunc(slices.Clone(s.Pools), func(p Pool) bool { return !isDown(p) })
	for _, p := range slices.Concat(down, up) {
		id := idOf("pool", p.Address)
		v.parts = append(v.parts, part{id: id, from: p, view: func() any { return poolView{ID: id, Pool: p, Bar: p.bar()} }})
	}
	return v
}

func (w Workers) Total() int64 { return w.Active + w.Idle }

func (p Pool) bar() template.HTML {
	if p.Workers.Total() == 0 {
		return ""
	}
	return bar("", float64(p.Workers.Total()), 0, stack([]segment{
		{class: "worker-active", size: float64(p.Workers.Active)}, {class: "worker-idle", size: float64(p.Workers.Idle)},
	})...)
}

// Waiting tells whether connections wait for a worker.
func (p Pool) Waiting() bool { return p.Queue != nil && *p.Queue > 0 }
