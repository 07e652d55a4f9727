package page

import (
	"math"

	"relink/health"
)

// summaryView is what is read first.
type summaryView struct {
	Snapshot
	State            health.State
	Counts           string // "2 critical, 1 warning, 31 ok"
	Instances, Mixed int    // of all applications; applications on several releases
	Used, Wasted     int64  // bytes of all caches
	Hits, Rate       *float64
	Waiting          *int64 // nil where no pool tells

	Hosts, Away, Behind int // of the fleet
}

func summaryRegion(s Snapshot) region {
	v := summaryView{Snapshot: s, State: health.Worst(s.Checks), Counts: countStates(s.Checks)}
	for _, app := range s.Apps {
		v.Instances += len(app.Instances)
		if releasesIn(groupsOf(app)) > 1 {
			v.Mixed++
		}
	}
	if s.Fleet != nil {
		v.Hosts, v.Away, v.Behind = s.Fleet.hosts()
	}
	if s.Caches != nil {
		for _, m := range s.Caches.Masters {
			v.Used, v.Wasted = v.Used+m.Memory.UsedBytes, v.Wasted+m.Memory.WastedBytes
		}
	}
	v.Hits, v.Rate = newest(fold(s.Rates.HitRatio, math.Min)), newest(sum(s.Rates.Requests))
	var waiting int64
	for _, p := range s.Pools {
		if p.Queue != nil {
			waiting += *p.Queue
			v.Waiting = &waiting
		}
	}
	return region{id: "summary", view: v}
}

func countStates(results []health.Result) string {
	if len(results) == 0 {
		return "no check has run yet"
	}
	return health.Counted(results)
}
