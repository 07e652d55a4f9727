// Package restart decides whether, when and how a cache is restarted, does it at
// an idle moment, proves it, and remembers it.
package restart

import (
	"fmt"
	"slices"

	"relink/internal/config"
	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/report"
)

// Action is what a decision asks for.
type Action string

// The actions, the mildest first.
const (
	None         Action = "none"
	Invalidate   Action = "invalidate" // retire dead releases that are still live in the cache
	Reset        Action = "opcache"    // opcache_reset(), when it is quiet
	ReloadFPM    Action = "fpm"        // reload the FPM master, when it is quiet
	ReloadApache Action = "apache"     // graceful restart of Apache, where it holds the cache (mod_php)
)

// Empties tells whether the action starts an empty cache.
func (a Action) Empties() bool { return a == Reset || a == ReloadFPM || a == ReloadApache }

// Method says how a cache is restarted.
type Method string

// The methods of a restart.
const (
	MethodAuto    Method = "auto" // apache where it holds the cache; fpm where it loses no request and is permitted; else opcache
	MethodOPcache Method = "opcache"
	MethodFPM     Method = "fpm"
	MethodApache  Method = "apache"
)

// Action is how the method restarts a cache: of Apache (mod_php), or of PHP-FPM.
// opcache_reset keeps the preloaded classes of the old code for good, which only a
// new master replaces, or a graceful restart of Apache.
func (m Method) Action(preloaded, ofApache bool) Action {
	switch {
	case m == MethodApache, ofApache && (m != MethodOPcache || preloaded):
		return ReloadApache
	case m == MethodFPM, preloaded:
		return ReloadFPM
	}
	return Reset
}

// toDo is how what was decided is done. Where processes have to be renewed, another
// method that is configured for want of memory does not do that.
func (m Method) toDo(d Decision) Method {
	auto := m == "" || m == MethodAuto
	switch {
	case d.Renews() && d.Action == ReloadApache:
		return MethodApache
	case d.Renews(), auto && d.Action == ReloadFPM:
		return MethodFPM
	case auto:
		return MethodAuto // which reloads Apache where that holds the cache
	}
	return m
}

// Reason is one thing that a decision is made from.
type Reason struct {
	Figure    string  `json:"figure"`    // what was looked at, such as free_bytes
	Value     float64 `json:"value"`     // bytes, a count, or a ratio 0..1
	Threshold float64 `json:"threshold"` // in the same unit; 0 where there is none
	Crossed   bool    `json:"crossed"`   // the figure is past the threshold
	Text      string  `json:"text"`      // the same in words
}

// The figures that reasons name.
const (
	FigureFree    = "free_bytes"
	FigureKeys    = "keys"
	FigureFull    = "cache_full"
	FigureStrings = "strings"
	FigureJIT     = "jit"
	FigureHitRate = "hit_rate"
	FigureWaste   = "waste"
	FigureDead    = "dead_bytes"
	FigurePreload = "preload"
	FigurePending = "restart_pending"
	FigureLast    = "last_restart"
)

// Decision is an action with its reasons; no restart has reasons too.
type Decision struct {
	Action  Action   `json:"action"` // what is to be done
	Reasons []Reason `json:"reasons"`
}

// Texts gives the reasons in words.
func (d Decision) Texts() []string {
	texts := make([]string, len(d.Reasons))
	for i, reason := range d.Reasons {
		texts[i] = reason.Text
	}
	return texts
}

// Case is all that a decision about one cache is made from.
type Case struct {
	Now            opcache.Figures
	Next           report.Need    // what the next release needs beside what is cached
	Window         opcache.Window // the latest hits and misses
	Apache         bool           // the cache is part of Apache (mod_php)
	DeadBytes      int64          // live in the cache, of releases that nobody uses
	PreloadChanged bool           // preloaded code is not that of the live release any more
	History        []Record       // of this cache, oldest first
	Thresholds     config.Thresholds
	Method         Method // "" means MethodAuto
}

// worthwhile is the least part of the cache (or of the keys) that a restart has
// to free to be worth a cold cache: PHP's own bound, max_wasted_percentage = 5.
const worthwhile = 0.05

// Decide tells whether the cache has to be restarted. A restart costs every
// site a cold cache, so that it is asked for only when a bound is crossed and
// a restart cures just that: it frees what is wasted and what dead releases
// hold, and opcache_reset empties the interned strings and the JIT buffer too
// (ZendAccelerator.c accel_activate: accel_interned_strings_restore_state,
// zend_jit_restart; measured on 8.2).
func (c Case) Decide() Decision {
	if c.Now.Pending {
		return Decision{None, []Reason{{Figure: FigurePending, Value: 1, Crossed: true,
			Text: "a restart is pending already: OPcache does it when no worker is inside a request"}}}
	}
	var reasons []Reason
	cures := false
	for _, rule := range rules {
		reason, cured := rule(c)
		if reason.Figure == "" {
			continue
		}
		if cured {
			if why := c.inVain(reason.Figure); why.Figure != "" {
				reasons = append(reasons, reason, why)
				continue
			}
		}
		cures = cures || cured
		reasons = append(reasons, reason)
	}
	return c.conclude(cures, reasons)
}

func (c Case) conclude(cures bool, reasons []Reason) Decision {
	if cures {
		reasons = slices.DeleteFunc(reasons, func(r Reason) bool { return !r.Crossed })
		return Decision{c.Method.Action(c.Now.Preloaded > 0 || c.PreloadChanged, c.Apache), append(reasons, c.gain()...)}
	}
	// Where memory is exhausted, an invalidation makes PHP restart the cache at
	// once, at a moment that nobody has chosen.
	if c.DeadBytes > 0 && !c.Now.Full {
		return Decision{Invalidate, append(reasons, Reason{Figure: FigureDead, Value: float64(c.DeadBytes), Crossed: true,
			Text: fmt.Sprintf("%s of releases that nobody uses are live in the cache: invalidated they count as waste, without a restart", ui.Bytes(c.DeadBytes))})}
	}
	return Decision{None, reasons}
}

// gain tells what the restart frees, and why it is of its kind.
func (c Case) gain() []Reason {
	gain := []Reason{{Figure: FigureWaste, Value: c.reclaimable(), Threshold: c.Thresholds.Waste, Crossed: c.reclaimable() > c.Thresholds.Waste,
		Text: fmt.Sprintf("a restart frees %s: %s wasted, %s of dead releases (%s of the memory)",
			ui.Bytes(c.freed()), ui.Bytes(c.Now.WastedBytes), ui.Bytes(c.DeadBytes), percent(c.reclaimable()))}}
	if c.Now.Preloaded > 0 && !c.PreloadChanged {
		gain = append(gain, Reason{Figure: FigurePreload, Value: float64(c.Now.Preloaded), Crossed: true,
			Text: fmt.Sprintf("%d scripts are preloaded: only %s replaces their classes, opcache_reset keeps the old ones", c.Now.Preloaded, c.reload())})
	}
	return gain
}

// reload is what runs opcache.preload again.
func (c Case) reload() string {
	if c.Apache {
		return "a graceful restart of Apache"
	}
	return "an FPM reload"
}

// freed is what a restart frees, in bytes; reclaimable its part of the memory.
func (c Case) freed() int64         { return c.Now.WastedBytes + c.DeadBytes }
func (c Case) reclaimable() float64 { return opcache.Ratio(c.freed(), c.Now.Size()) }

// inVain tells why a restart for a figure is not repeated: the last one did not
// help. It compares what was measured right before and after it.
func (c Case) inVain(figure string) Reason {
	for _, last := range slices.Backward(c.History) {
		if !last.Done() {
			continue
		}
		if !slices.ContainsFunc(last.Reasons, func(r Reason) bool { return r.Figure == figure && r.Crossed }) {
			return Reason{}
		}
		freed := relief(figure, last.Before, last.After)
		if freed >= worthwhile {
			return Reason{}
		}
		return Reason{Figure: FigureLast, Value: freed, Threshold: worthwhile, Crossed: true,
			Text: fmt.Sprintf("the restart of %s for the same reason freed %s, less than %s: it is not repeated; %s",
				last.Time.Format("2006-01-02 15:04"), percent(max(freed, 0)), percent(worthwhile), directive[figure])}
	}
	return Reason{}
}

// relief is what a restart freed of what a figure measures, as a ratio.
func relief(figure string, before, after opcache.Figures) float64 {
	switch figure {
	case FigureKeys:
		return opcache.Ratio(before.Keys-after.Keys, before.MaxKeys)
	case FigureStrings:
		return opcache.Ratio(before.StringsUsed-after.StringsUsed, before.StringsSize)
	case FigureJIT:
		return opcache.Ratio(before.JITUsed-after.JITUsed, before.JITSize)
	case FigurePreload:
		return 1 // it replaces the classes, whatever it frees
	}
	return opcache.Ratio(after.FreeBytes-before.FreeBytes, before.Size())
}

func percent(ratio float64) string { return fmt.Sprintf("%.0f %%", 100*ratio) }
