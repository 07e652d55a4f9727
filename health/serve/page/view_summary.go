package page

import (
	"fmt"
	"time"

	"relink/health"
	"relink/internal/ui"
)

// summaryView is what is read first.
type summaryView struct {
	Time   time.Time
	State  health.State
	Counts string // "2 critical, 1 warning, 31 ok"
	Tiles  []tile
}

// tile is one key figure.
type tile struct{ ID, Name, Value, More, Href string }

func summaryRegion(s Snapshot) region {
	v := summaryView{Time: s.Time, State: health.Worst(s.Checks), Counts: countStates(s.Checks)}
	v.Tiles = append(v.Tiles, instanceTile(s.Apps))
	if s.Caches != nil {
		v.Tiles = append(v.Tiles, memoryTiles(s)...)
	}
	v.Tiles = append(v.Tiles, rateTiles(s)...)
	return region{id: "summary", view: v}
}

func countStates(results []health.Result) string {
	if len(results) == 0 {
		return "no check has run yet"
	}
	return health.Counted(results)
}

func instanceTile(apps []App) tile {
	count, mixed := 0, 0
	for _, app := range apps {
		count += len(app.Instances)
		if releasesIn(groupsOf(app)) > 1 {
			mixed++
		}
	}
	more := "of " + ui.Plural(len(apps), "application")
	if mixed > 0 {
		more += ", " + fmt.Sprintf("%d on several releases", mixed)
	}
	return tile{ID: "tile-instances", Name: "Instances", Value: ui.Count(count), More: more, Href: "#apps"}
}

func memoryTiles(s Snapshot) []tile {
	var used, wasted int64
	for _, m := range s.Caches.Masters {
		used += m.Memory.UsedBytes
		wasted += m.Memory.WastedBytes
	}
	memory := fmt.Sprintf("of %s; %s wasted", ui.Bytes(s.Caches.MemoryBytes), ui.Bytes(wasted))
	saved := "no release is shared in a cache"
	if s.Caches.SavedBytes > 0 {
		saved = ui.Plural(s.Caches.SavedKeys, "key") + " too"
	}
	return []tile{
		{ID: "tile-memory", Name: "OPcache memory", Value: ui.Bytes(used), More: memory, Href: "#memory"},
		{ID: "tile-saved", Name: "Saved by sharing", Value: ui.Bytes(s.Caches.SavedBytes), More: saved, Href: "#memory"},
	}
}

func rateTiles(s Snapshot) []tile {
	lowest := fold(s.Rates.HitRatio, func(a, b float64) float64 { return min(a, b) })
	ratio, requests := newest(lowest), newest(sum(s.Rates.Requests))
	waiting, reported := int64(0), false
	for _, p := range s.Pools {
		if p.Queue != nil {
			waiting, reported = waiting+*p.Queue, true
		}
	}
	queue := tile{ID: "tile-queue", Name: "Waiting", Value: "-", More: "connections in listen queues", Href: "#pools"}
	if reported {
		queue.Value = ui.Count(waiting)
	}
	hits := tile{ID: "tile-hits", Name: "Hit rate", Value: ratioText(ratio), More: "of OPcache, in the last sample", Href: "#rates"}
	if len(s.Rates.HitRatio) > 1 {
		hits.More = "of the OPcache with the lowest"
	}
	return []tile{hits,
		{ID: "tile-requests", Name: "Requests", Value: perSecond(requests), More: "of " + ui.Plural(len(s.Pools), "pool"), Href: "#rates"},
		queue,
	}
}
