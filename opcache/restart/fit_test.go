package restart

import (
	"strings"
	"testing"

	"relink/opcache"
	"relink/opcache/report"
)

func TestRoom(t *testing.T) {
	const mb = 1 << 20
	// 8 MB and 1000 keys. The release needs 2 MB and 80 keys: with room to grow
	// 2.25 MB and 64 KB, and 90 keys.
	const need = 2*mb + 2*mb/8 + report.MinFreeBytes
	now := opcache.Figures{UsedBytes: 8*mb - need, FreeBytes: need, Keys: 910, MaxKeys: 1000}
	demand := Demand{Now: now, Need: report.Need{Bytes: 2 * mb, Keys: 80}, Old: report.Need{Bytes: 2 * mb, Keys: 80}}
	short := func(bytes int64) Demand {
		d := demand
		d.Now.FreeBytes -= bytes
		d.Now.UsedBytes += bytes
		return d
	}
	wasted := func(d Demand, bytes int64) Demand {
		d.Now.UsedBytes -= bytes
		d.Now.WastedBytes = bytes
		return d
	}
	for name, tt := range map[string]struct {
		demand Demand
		room   Fit
		action Action
		says   string
	}{
		"nothing to compile":          {change(short(mb), func(d *Demand) { d.Need = report.Need{} }), FitsNow, None, ""},
		"just enough":                 {demand, FitsNow, None, ""},
		"a byte short":                {short(1), FitsAfterSwitch, Reset, "in place of the old one (2 MB)"},
		"a key short":                 {change(demand, func(d *Demand) { d.Now.Keys++ }), FitsAfterSwitch, Reset, "89 keys free, the new release needs 2.3 MB and 90 keys"},
		"waste that is just enough":   {wasted(short(mb), mb), FitsAfterRestart, Reset, "a restart before the switch frees 1 MB"},
		"waste a byte short":          {wasted(short(mb), mb-1), FitsAfterSwitch, Reset, "in place of"},
		"what stays of waste helps":   {change(wasted(short(mb), mb-1), func(d *Demand) { d.Fragmented = 1 }), FitsAfterRestart, Reset, "frees"},
		"unused releases help":        {change(short(mb), func(d *Demand) { d.Unused = report.Need{Bytes: mb} }), FitsAfterRestart, Reset, "frees"},
		"unused keys help":            {change(demand, func(d *Demand) { d.Now.Keys++; d.Unused = report.Need{Keys: 1} }), FitsAfterRestart, Reset, "frees"},
		"the old one, just enough":    {short(2 * mb), FitsAfterSwitch, Reset, "in place of"},
		"the old one, a byte short":   {short(2*mb + 1), NoFit, None, "would free only 2 MB: raise opcache.memory_consumption"},
		"others stay on the old one":  {change(short(mb), func(d *Demand) { d.Old = report.Need{} }), NoFit, None, "would free only 0 B"},
		"full":                        {change(demand, func(d *Demand) { d.Now.Full = true }), FitsAfterRestart, Reset, "frees"},
		"a restart is pending":        {change(short(mb), func(d *Demand) { d.Now.Pending = true }), NoFit, None, "pending already"},
		"preloaded":                   {change(short(mb), func(d *Demand) { d.Now.Preloaded = 1 }), FitsAfterSwitch, ReloadFPM, "in place of"},
		"fpm":                         {change(short(mb), func(d *Demand) { d.Method = MethodFPM }), FitsAfterSwitch, ReloadFPM, "in place of"},
		"a cache of Apache":           {change(short(mb), func(d *Demand) { d.Apache = true }), FitsAfterSwitch, ReloadApache, "in place of"},
		"waste in a cache of Apache":  {change(wasted(short(mb), mb), func(d *Demand) { d.Apache = true; d.Method = MethodApache }), FitsAfterRestart, ReloadApache, "frees"},
		"a cache of Apache, by reset": {change(short(mb), func(d *Demand) { d.Apache = true; d.Method = MethodOPcache }), FitsAfterSwitch, Reset, "in place of"},
		"apache empties no FPM":       {change(short(mb), func(d *Demand) { d.Method = MethodApache }), NoFit, None, "the new release needs"},
	} {
		room, decision := tt.demand.Decide()
		text := strings.Join(decision.Texts(), "; ")
		if room != tt.room || decision.Action != tt.action || !strings.Contains(text, tt.says) || (tt.says == "") != (text == "") {
			t.Errorf("%s: %s, %s: %q", name, room, decision.Action, text)
		}
	}
}

func change(d Demand, by func(*Demand)) Demand { by(&d); return d }
