package restart

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/report"
	"relink/php"
)

// Fit tells whether a release fits into a cache: now, after a restart, or only in
// place of the old release.
type Fit string

const (
	// FitsNow: it fits beside what is cached.
	FitsNow Fit = "beside"
	// FitsAfterRestart: it fits beside the old release once a restart has freed what is
	// wasted. The restart comes before the switch.
	FitsAfterRestart Fit = "after"
	// FitsAfterSwitch: it fits only in place of the old release. The cache restarts
	// with the switch, so that it never has to hold both.
	FitsAfterSwitch Fit = "instead"
	// FitsEmptied: the cache starts empty with the switch, for another reason than
	// room.
	FitsEmptied Fit = "renewed"
	// NoFit: no restart makes enough room.
	NoFit Fit = "none"
)

// FigureFit names the reason of a restart that makes room.
const FigureFit = "room"

// Demand is what a switch wants of one cache. Bytes count with what OPcache
// attaches to scripts (report.Weight).
type Demand struct {
	Now        opcache.Figures
	Need       report.Need // of the new release, as its hot set in the old one tells
	Old        report.Need // what the old release gives back when nobody uses it any more
	Unused     report.Need // what releases that nobody uses hold
	Fragmented int64       // bytes that stay in use of what is wasted, until a restart
	Method     Method
	Apache     bool // the cache is part of Apache (mod_php)
}

// headroom is how much larger than the old release's hot set the new one's may
// be: visitors ask for further pages while the cache is warmed and after it.
const headroom = 1.125

// Decide tells how the release comes by its place, and for a restart why.
//
// A cache that cannot hold both releases is not left to itself: it would run the
// new one uncached, at a twentieth of the speed (measured), until PHP restarts it
// because memory ran out, at a moment that nobody has chosen.
func (d Demand) Decide() (Fit, Decision) {
	bytes, keys := int64(math.Ceil(float64(d.Need.Bytes)*headroom))+report.MinFreeBytes, int64(math.Ceil(float64(d.Need.Keys)*headroom))
	fits := func(free, freeKeys int64) bool { return free >= bytes && freeKeys >= keys }
	free, freeKeys := d.Now.FreeBytes, d.Now.MaxKeys-d.Now.Keys
	if d.Need.Keys == 0 || !d.Now.Full && fits(free, freeKeys) {
		return FitsNow, Decision{None, nil}
	}
	action := d.Method.Action(d.Now.Preloaded > 0, d.Apache)
	if d.Now.Pending {
		return NoFit, Decision{None, []Reason{{Figure: FigurePending, Value: 1, Crossed: true,
			Text: "a restart is pending already, and OPcache takes nothing new until it has happened"}}}
	}
	reason := Reason{Figure: FigureFit, Value: float64(free), Threshold: float64(bytes), Crossed: true,
		Text: fmt.Sprintf("%s and %d keys free, the new release needs %s and %d keys", ui.Bytes(free), freeKeys, ui.Bytes(bytes), keys)}
	if action == ReloadApache && !d.Apache { // which empties no cache of FPM
		return NoFit, Decision{None, []Reason{reason}}
	}
	freed := d.Now.WastedBytes + d.Fragmented + d.Unused.Bytes
	freedKeys := int64(float64(d.Now.Keys)*opcache.Ratio(d.Now.WastedBytes, d.Now.UsedBytes+d.Now.WastedBytes)) + d.Unused.Keys
	if free, freeKeys = free+freed, freeKeys+freedKeys; fits(free, freeKeys) {
		reason.Text += fmt.Sprintf("; a restart before the switch frees %s", ui.Bytes(freed))
		return FitsAfterRestart, Decision{action, []Reason{reason}}
	}
	if free, freeKeys = free+d.Old.Bytes, freeKeys+d.Old.Keys; fits(free, freeKeys) {
		reason.Text += fmt.Sprintf("; it fits only in place of the old one (%s): a restart has to come with the switch", ui.Bytes(d.Old.Bytes))
		return FitsAfterSwitch, Decision{action, []Reason{reason}}
	}
	reason.Text += fmt.Sprintf("; a restart would free only %s: %s", ui.Bytes(freed+d.Old.Bytes), directive[FigureFree])
	return NoFit, Decision{None, []Reason{reason}}
}

// CacheFit is how the new releases come by their place in one cache.
type CacheFit struct {
	Fit   Fit
	Order // the restart that makes room
}

// CheckFit tells for each cache how the hot set of the new releases comes by its
// place there. unused are folders of releases that nobody uses. Warm leaves out
// the caches that had no room when this was asked last: ask again after a restart.
func CheckFit(ctx context.Context, s *opcache.Switch, unused []string, method Method) ([]CacheFit, error) {
	places, err := opcache.Each(ctx, s.Caches.All, func(ctx context.Context, m *opcache.Cache) (CacheFit, error) {
		place := CacheFit{FitsEmptied, Order{m.Addresses(), emptiedBySwitch}}
		if m.WantedBy(s.Emptied) {
			return place, nil
		}
		d, err := demandOf(ctx, s, m, unused)
		d.Method, d.Apache = method, m.OfApache()
		place.Fit, place.Decision = d.Decide()
		return place, err
	})
	if err != nil {
		return places, err
	}
	s.Full = nil
	for _, place := range places {
		if place.Fit != FitsNow {
			s.Full = append(s.Full, opcache.FullCache{Pools: place.Pools, Why: strings.Join(place.Texts(), "; ")})
		}
	}
	return places, nil
}

// emptiedBySwitch says why nothing is put into a cache before the switch.
var emptiedBySwitch = Decision{None, []Reason{{Figure: FigureFit, Text: "the cache starts empty with the switch, and is warmed then"}}}

// demandOf is what this switch wants of one memory.
func demandOf(ctx context.Context, s *opcache.Switch, m *opcache.Cache, unused []string) (Demand, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Caches.Options.Timeouts.Call)
	defer cancel()
	need, err := missingScripts(ctx, s, m)
	if err != nil || need.Live == 0 {
		return Demand{}, err
	}
	status, err := m.Agent().Status(ctx)
	if err != nil {
		return Demand{}, err
	}
	d := Demand{Now: opcache.FiguresOf(status), Need: report.Need{Bytes: maxBytesFactor * need.LiveBytes, Keys: need.Live}}
	if room, _ := d.Decide(); room == FitsNow {
		return d, nil
	}
	old, idle, weight, err := freeable(ctx, s, m, unused)
	d.Need, d.Old, d.Unused = forecastOf(need, weight), forecastOf(old, weight), forecastOf(idle, weight)
	d.Fragmented = weight.Attached(status.Memory.Wasted)
	return d, err
}

// maxBytesFactor times its bytes is more than OPcache ever takes for a script: measured
// were 1.9 times, with the tracing JIT. Where that much is free, nothing else has
// to be read, which is a list of all scripts.
const maxBytesFactor = 3

func forecastOf(h php.Holding, w report.Weight) report.Need {
	return report.Need{Bytes: w.Of(h.Live, h.LiveBytes), Keys: h.Live}
}

// missingScripts adds up what the hot scripts of the old releases take whose like in
// the new release is not cached yet.
func missingScripts(ctx context.Context, s *opcache.Switch, m *opcache.Cache) (php.Holding, error) {
	var sum php.Holding
	counted := map[string]bool{}
	for _, v := range s.Views {
		if !slices.Contains(m.Spaces, v.Space) {
			continue
		}
		for _, way := range s.Ways() {
			there, err := v.Space.Agent().Scripts(ctx, []string{v.Space.ToPool(way.To)})
			if err != nil {
				return sum, err
			}
			for _, script := range there {
				counted[script.Path] = counted[script.Path] || script.Live
			}
			for _, script := range v.Hot[way.From] {
				file := way.File(v.Space, script)
				path := v.Space.ToPool(file)
				if _, err := os.Stat(file); err != nil || counted[path] {
					continue
				}
				counted[path] = true
				sum.Live++
				sum.LiveBytes += script.Memory
			}
		}
	}
	return sum, nil
}

// freeable is what a memory holds of old releases that all links leave, and of
// releases that nobody uses, and what OPcache attaches to its scripts.
func freeable(ctx context.Context, s *opcache.Switch, m *opcache.Cache, unused []string) (old, idle php.Holding, w report.Weight, err error) {
	var folders []string
	for release, shared := range s.OldReleases() {
		if !shared {
			folders = append(folders, release)
		}
	}
	leaving := len(folders)
	folders = append(folders, unused...)
	for i, one := range m.Spaces {
		held, all, err := s.Caches.Holdings(ctx, one, folders)
		if err != nil {
			return old, idle, w, err
		}
		old, idle = plusLive(old, held[:leaving]), plusLive(idle, held[leaving:])
		if i > 0 {
			continue
		}
		if w, err = weigh(ctx, one.Agent(), all); err != nil {
			return old, idle, w, err
		}
	}
	return old, idle, w, nil
}

func plusLive(sum php.Holding, more []php.Holding) php.Holding {
	for _, h := range more {
		sum.Live, sum.LiveBytes = sum.Live+h.Live, sum.LiveBytes+h.LiveBytes
	}
	return sum
}

// weigh learns what the cache attaches to scripts, of which it holds all these.
func weigh(ctx context.Context, agent *php.Agent, all php.Holding) (report.Weight, error) {
	configuration, err := agent.Configuration(ctx)
	if err != nil {
		return report.Weight{}, err
	}
	status, err := agent.Status(ctx)
	return report.Weigh(status, configuration, all), err
}
