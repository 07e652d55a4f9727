package page

import (
	"fmt"
	"html/template"
	"slices"

	"relink/internal/ui"
)

type poolView struct {
	ID string
	Pool
	Bar template.HTML
}

func poolsRegion(s Snapshot) regionView {
	v := regionView{id: "pools", part: "pool", view: struct{ None bool }{len(s.Pools) == 0}}
	pools := slices.Clone(s.Pools)
	slices.SortStableFunc(pools, func(a, b Pool) int { return a.rank() - b.rank() })
	for _, p := range pools {
		id := idOf("pool", p.Address)
		v.parts = append(v.parts, partView{id, p, func() any { return poolView{ID: id, Pool: p, Bar: p.bar()} }})
	}
	return v
}

// rank puts pools that are down first.
func (p Pool) rank() int {
	if p.Error != "" {
		return 0
	}
	return 1
}

func (p Pool) total() int64 { return p.Workers.Active + p.Workers.Idle }

func (p Pool) bar() template.HTML {
	if p.total() == 0 {
		return ""
	}
	return bar("", float64(p.total()), 0, stack([]segment{
		{class: "worker-active", size: float64(p.Workers.Active)}, {class: "worker-idle", size: float64(p.Workers.Idle)},
	})...)
}

// Busy says what the bar shows.
func (p Pool) Busy() string {
	if p.total() == 0 {
		return "-"
	}
	return fmt.Sprintf("%s of %s active", ui.Count(p.Workers.Active), ui.Count(p.total()))
}

// Waiting tells whether connections wait for a worker.
func (p Pool) Waiting() bool { return p.Queue != nil && *p.Queue > 0 }
