package config

import "time"

// moment is the shortest time limit: below it every one has passed before
// anything could happen.
const moment = time.Millisecond

// value has an entry for each key: its name, its field, its default, what may stand
// there. The reasons for the defaults stand in docs/configuration.md.
func (c *Config) value() value {
	return section(fields{
		{"state_dir", lineText(&c.StateDir, "/var/lib/relink/state", absolute)},
		{"reset", choice(&c.Reset, ResetSmart, ResetAlways, ResetNever)},
		{"stale_workers", choice(&c.Stale, StaleEnd, StaleReport)},
		{"apps", named(&c.Apps, "an application", func(a *App) *string { return &a.Name }, (*App).value)},
		{"pools", orOff(&c.NoPools, sections(&c.Pools, (*Pool).value))},
		{"apache", section(fields{
			{"control", lineText(&c.Apache.Control, "apachectl", program)},
			{"status", lineText(&c.Apache.Status, "", webURL(false))},
			{"agent_dir", lineText(&c.Apache.AgentDir, "/var/lib/relink", absolute)},
		})},
		{"thresholds", c.Thresholds.value()},
		{"restart", section(fields{
			{"method", choice(&c.Restart.Method, MethodAuto, MethodOPcache, MethodFPM, MethodApache)},
			{"wait", duration(&c.Restart.Wait, time.Minute, 0)},
			{"quiet", duration(&c.Restart.Quiet, time.Second, moment)},
		})},
		{"warm", section(fields{
			{"workers", integer(&c.Warm.Workers, 1, 1, 64)},
			{"slice", duration(&c.Warm.Slice, 200*time.Millisecond, moment)},
			{"pause", duration(&c.Warm.Pause, 50*time.Millisecond, 0)},
		})},
		{"health", c.Health.value()},
		{"serve", c.Serve.value()},
		{"timeouts", c.Timeouts.value()},
	})
}

func (t *Thresholds) value() value {
	return section(fields{
		{"waste", ratio(&t.Waste, 0.2)},
		{"free_bytes", size(&t.FreeBytes, 16<<20)},
		{"keys", ratio(&t.Keys, 0.9)},
		{"strings", ratio(&t.Strings, 0.95)},
		{"jit", ratio(&t.JIT, 0.95)},
		{"hit_rate", ratio(&t.HitRate, 0.9)},
		{"hit_rate_requests", integer(&t.HitRateRequests, 1000, 1, 1e9)},
	})
}

func (t *Timeouts) value() value {
	return section(fields{
		{"call", duration(&t.Call, 30*time.Second, moment)},
		{"sweep", duration(&t.Sweep, 100*time.Millisecond, moment)},
		{"settle", duration(&t.Settle, 30*time.Second, 0)},
		{"hook", duration(&t.Hook, 10*time.Minute, moment)},
		{"check", duration(&t.Check, 10*time.Second, moment)},
		{"fetch", duration(&t.Fetch, 10*time.Minute, moment)},
	})
}

func (p *Pool) value() value {
	return section(fields{
		{"address", lineText(&p.Address, "", poolAddress)},
		{"status_path", lineText(&p.StatusPath, "/status", pagePath)},
		{"agent_dir", lineText(&p.AgentDir, "/var/lib/relink", absolute)},
		{"path_map", sections(&p.PathMap, (*PathMapping).value)},
		{"command", listOf(&p.Command, readText)},
	})
}

func (m *PathMapping) value() value {
	return section(fields{{"host", lineText(&m.Host, "", absolute)}, {"pool", lineText(&m.Pool, "", absolute)}})
}
