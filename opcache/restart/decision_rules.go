package restart

import (
	"fmt"

	"relink/internal/ui"
	"relink/opcache"
)

// rules judge a case one after the other. Each gives a reason, none (no Figure)
// where there is nothing to judge, and tells whether a restart cures what it
// finds.
var rules = []func(Case) (reason Reason, cures bool){
	ruleFull, ruleMemory, ruleKeys, ruleStrings, ruleJIT, ruleHitRate, rulePreload,
}

// directive is what helps where a restart does not.
var directive = map[string]string{
	FigureFull:    "raise opcache.memory_consumption",
	FigureFree:    "raise opcache.memory_consumption",
	FigureKeys:    "raise opcache.max_accelerated_files",
	FigureStrings: "raise opcache.interned_strings_buffer",
	FigureJIT:     "raise opcache.jit_buffer_size",
	FigureHitRate: "raise opcache.memory_consumption, or look for what the cache does not take (opcache report)",
}

func ruleFull(c Case) (Reason, bool) {
	if !c.Now.Full {
		return Reason{}, false
	}
	return c.judged(Reason{Figure: FigureFull, Value: 1, Crossed: true, Text: "the cache is full: further scripts run uncached"},
		c.reclaimable() >= worthwhile)
}

// ruleMemory: the next release has to fit beside what is cached, with a reserve.
// Where it would not fit even after a restart, one still helps if the waste is
// above its bound.
func ruleMemory(c Case) (Reason, bool) {
	need := c.Next.Bytes + c.Thresholds.FreeBytes
	reason := Reason{Figure: FigureFree, Value: float64(c.Now.FreeBytes), Threshold: float64(need), Crossed: c.Now.FreeBytes < need,
		Text: fmt.Sprintf("%s free, the next release (%s) and the reserve (%s) need %s; %s wasted",
			ui.Bytes(c.Now.FreeBytes), ui.Bytes(c.Next.Bytes), ui.Bytes(c.Thresholds.FreeBytes), ui.Bytes(need), percent(c.Now.Wasted))}
	return c.judged(reason, c.reclaimable() >= worthwhile && c.Now.FreeBytes+c.freed() >= need || c.reclaimable() > c.Thresholds.Waste)
}

// ruleKeys: with keys exhausted, code runs uncached however much memory is free.
// How many of the keys are dead is not told; their part is taken to be that of
// the bytes.
func ruleKeys(c Case) (Reason, bool) {
	after := opcache.Ratio(c.Now.Keys+c.Next.Keys, c.Now.MaxKeys)
	reason := Reason{Figure: FigureKeys, Value: after, Threshold: c.Thresholds.Keys, Crossed: after > c.Thresholds.Keys,
		Text: fmt.Sprintf("%d of %d keys used and the next release needs %d: %s, bound %s",
			c.Now.Keys, c.Now.MaxKeys, c.Next.Keys, percent(after), percent(c.Thresholds.Keys))}
	dead := int64(float64(c.Now.Keys) * opcache.Ratio(c.freed(), c.Now.UsedBytes+c.Now.WastedBytes))
	fits := opcache.Ratio(c.Now.Keys-dead+c.Next.Keys, c.Now.MaxKeys) <= c.Thresholds.Keys
	return c.judged(reason, opcache.Ratio(dead, c.Now.MaxKeys) >= worthwhile && fits || c.reclaimable() > c.Thresholds.Waste)
}

func ruleStrings(c Case) (Reason, bool) {
	return c.buffer(FigureStrings, "interned strings buffer", c.Now.StringsUsed, c.Now.StringsSize, c.Thresholds.Strings)
}

func ruleJIT(c Case) (Reason, bool) {
	return c.buffer(FigureJIT, "JIT buffer", c.Now.JITUsed, c.Now.JITSize, c.Thresholds.JIT)
}

// buffer judges a buffer that only fills up. What is live fills it again after a
// restart; only the part of dead code stays free.
func (c Case) buffer(figure, name string, used, size int64, bound float64) (Reason, bool) {
	if size == 0 {
		return Reason{}, false
	}
	full := opcache.Ratio(used, size)
	return c.judged(Reason{Figure: figure, Value: full, Threshold: bound, Crossed: full > bound,
		Text: fmt.Sprintf("%s %s full, bound %s", name, percent(full), percent(bound))}, c.reclaimable() >= worthwhile)
}

// ruleHitRate: misses alone are no reason, for a cold cache has the most; dead
// releases that hold the memory which the live code lacks are.
func ruleHitRate(c Case) (Reason, bool) {
	if c.Window.Requests < c.Thresholds.HitRateRequests || c.Window.Requests == 0 {
		return Reason{}, false
	}
	return c.judged(Reason{Figure: FigureHitRate, Value: c.Window.HitRate, Threshold: c.Thresholds.HitRate, Crossed: c.Window.HitRate < c.Thresholds.HitRate,
		Text: fmt.Sprintf("hit rate %.1f %% over the last %d look-ups, bound %.1f %%", 100*c.Window.HitRate, c.Window.Requests, 100*c.Thresholds.HitRate)},
		c.reclaimable() >= worthwhile)
}

func rulePreload(c Case) (Reason, bool) {
	if !c.PreloadChanged {
		return Reason{}, false
	}
	return Reason{Figure: FigurePreload, Value: float64(c.Now.Preloaded), Crossed: true,
		Text: "preloaded classes are those of the old release: only " + c.reload() + " replaces them"}, true
}

// judged adds to a crossed bound what helps if a restart does not.
func (c Case) judged(reason Reason, cures bool) (Reason, bool) {
	if reason.Crossed && !cures {
		reason.Text += fmt.Sprintf("; a restart would free only %s: %s", percent(c.reclaimable()), directive[reason.Figure])
	}
	return reason, reason.Crossed && cures
}
