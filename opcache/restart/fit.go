package restart

import (
	"fmt"
	"math"

	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/report"
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
