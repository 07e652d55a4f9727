package report

import (
	"fmt"
	"strings"

	"relink/internal/ui"
)

func (t *text) master(m *MasterReport) {
	t.heading("OPcache " + m.Name)
	if len(m.Pools) > 1 {
		t.line("pools", "%s", strings.Join(m.Pools, " "))
	}
	for _, down := range m.Down {
		t.line("down", "%s: %s", down.Pool, down.Error)
	}
	if m.Error != nil {
		t.line("not read", "%s", *m.Error)
		return
	}
	t.line("PHP", "%s, started %s, last restart %s", m.PHPVersion, moment(m.Started), moment(m.LastRestart))
	t.state(m)
	if a := m.Awaited; a != nil {
		t.line("awaited", "a restart (%s) waits for a quiet moment since %s, tried %s: %s", a.Action, moment(a.Since), ui.Plural(a.Tries, "time"), strings.Join(a.Reasons, "; "))
		t.line("", "last: %s", a.Last)
	}
	t.memory(&m.Memory)
	t.tables(m)
	t.requests(m)
	t.forecast(&m.Forecast, m.Keys.Max)
	for _, a := range m.Advice {
		t.line("advice", "%s = %s (now %s): %s", a.Directive, a.Suggested, a.Current, a.Reason)
	}
}

func (t *text) state(m *MasterReport) {
	for _, state := range []struct {
		is   bool
		what string
	}{
		{m.Idle != nil && *m.Idle, "idle: it holds no script, so that nobody has asked it for a page since its start"},
		{m.CacheFull, "the cache is full: new scripts run uncached"},
		{m.RestartInProgress, "a restart is in progress"},
		{m.RestartPending, "a restart is pending: OPcache is off until it is done"},
		{!m.Enabled && !m.RestartPending && !m.RestartInProgress, "OPcache is off"},
	} {
		if state.is {
			t.line("state", "%s", state.what)
		}
	}
}

func (t *text) memory(m *MemoryReport) {
	t.line("memory", "%s used (%s), %s wasted (%s), %s free (%s) of %s",
		ui.Bytes(m.UsedBytes), ui.Percent(m.UsedRatio), ui.Bytes(m.WastedBytes), ui.Percent(m.WastedRatio),
		ui.Bytes(m.FreeBytes), ui.Percent(m.FreeRatio), ui.Bytes(m.TotalBytes))
	t.bar(m.TotalBytes, m.LiveBytes, m.OverheadBytes, m.WastedBytes)
	parts := []string{fmt.Sprintf("live scripts %s", ui.Bytes(m.LiveBytes))}
	for _, part := range []struct {
		name  string
		bytes int64
	}{
		{"interned strings", m.StringBufferBytes}, {"key table", m.KeyTableBytes},
		{"alignment", m.AlignmentBytes}, {"preload", m.PreloadBytes}, {"JIT tables", m.JITTableBytes},
	} {
		if part.bytes > 0 {
			parts = append(parts, part.name+" "+ui.Bytes(part.bytes))
		}
	}
	t.line("", "used: %s; not explained (linked classes, JIT data): %s", strings.Join(parts, ", "), ui.Bytes(m.UnexplainedBytes))
	if m.WastedBytes != 0 {
		t.line("", "wasted: dead scripts %s, since compiled again %s", ui.Bytes(m.DeadBytes), ui.Bytes(m.ReplacedBytes))
	}
}

func (t *text) tables(m *MasterReport) {
	t.line("keys", "%s of %s (%s): %s, %s", ui.Count(m.Keys.Used), ui.Count(m.Keys.Max), ui.Percent(m.Keys.Ratio),
		ui.Plural(m.Keys.Scripts, "script"), aliases(m.Keys.Aliases))
	t.bar(m.Keys.Max, m.Keys.Scripts, m.Keys.Aliases)
	if m.Strings.SizeBytes > 0 {
		t.line("strings", "%s of %s (%s): %s", ui.Bytes(m.Strings.UsedBytes), ui.Bytes(m.Strings.SizeBytes),
			ui.Percent(m.Strings.Ratio), ui.Plural(m.Strings.Count, "interned string"))
		t.bar(m.Strings.SizeBytes, m.Strings.UsedBytes)
	}
	if m.JIT != nil {
		t.line("JIT buffer", "%s of %s (%s)", ui.Bytes(m.JIT.UsedBytes), ui.Bytes(m.JIT.SizeBytes), ui.Percent(m.JIT.Ratio))
		t.bar(m.JIT.SizeBytes, m.JIT.UsedBytes)
	}
	if p := m.Preload; p != nil {
		t.line("preload", "%s, %s, %s, %s", ui.Bytes(p.Bytes), ui.Plural(p.Scripts, "script"), classes(p.Classes), ui.Plural(p.Functions, "function"))
	}
}

func aliases(n int64) string {
	if n == 1 {
		return "1 literal alias"
	}
	return ui.Count(n) + " literal aliases"
}

func classes(n int) string {
	if n == 1 {
		return "1 class"
	}
	return ui.Count(n) + " classes"
}

func (t *text) requests(m *MasterReport) {
	t.line("hit rate", "%s of %s since %s", percentOf(m.Life.Ratio), ui.Plural(m.Life.Hits+m.Life.Misses, "look-up"), moment(m.Life.Since))
	if w := &m.Window; w.Ratio != nil {
		t.line("", "%s of %s in the last %s", percentOf(w.Ratio), ui.Plural(*w.Hits+*w.Misses, "look-up"), windowLength(w.Seconds))
	} else {
		t.line("", "in the window: not known, %s", w.Unknown)
	}
	t.line("restarts", "%s out of memory, %s out of keys, %s by hand",
		ui.Count(m.Restarts.OOM), ui.Count(m.Restarts.Hash), ui.Count(m.Restarts.Manual))
}

func (t *text) forecast(f *ForecastReport, maxKeys int64) {
	for _, app := range f.Applications {
		t.line("next deploy", "%s needs %s and %s; %s before a restart (limit: %s)", app.App, ui.Bytes(app.Next.Bytes),
			ui.Plural(app.Next.Keys, "key"), fitting(app.FurtherDeploys), app.LimitedBy)
	}
	for _, plan := range []struct {
		length string
		*Plan
	}{{"day", f.Day}, {"week", f.Week}} {
		if plan.Plan != nil {
			t.line("", "no restart within the busiest %s (%s) needs %s", plan.length, ui.Plural(plan.Deploys, "deploy"), plan.directives(maxKeys))
		}
	}
}

// directives leaves out what is large enough as it is.
func (p *Plan) directives(maxKeys int64) string {
	all := "opcache.memory_consumption = " + megabytes(p.MemoryBytes)
	if p.MaxAcceleratedFiles > maxKeys {
		all += fmt.Sprintf(" and opcache.max_accelerated_files = %d", p.MaxAcceleratedFiles)
	}
	return all
}

func fitting(n int64) string {
	switch n {
	case 0:
		return "it does not fit"
	case 1:
		return "1 deploy fits"
	}
	return ui.Count(n) + " deploys fit"
}
