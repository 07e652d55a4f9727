package config

import "time"

// defaults is what holds for every key that a file does not give. The reasons
// for the values stand in docs/configuration.md.
func defaults(path string) *Config {
	return &Config{
		Path:     path,
		StateDir: "/var/lib/relink/state",
		Reset:    ResetSmart,
		Stale:    StaleEnd,
		Apache:   Apache{Control: "apachectl", AgentDir: "/var/lib/relink"},
		Thresholds: Thresholds{
			Waste: 0.2, FreeBytes: 16 << 20, Keys: 0.9, Strings: 0.95, JIT: 0.95, HitRate: 0.9, HitRateRequests: 1000,
		},
		Restart: Restart{Method: MethodAuto, Wait: time.Minute, Quiet: time.Second},
		Warm:    Warm{Workers: 1, Slice: 200 * time.Millisecond, Pause: 50 * time.Millisecond},
		Health:  defaultHealth(),
		Serve:   Serve{Listen: "127.0.0.1:9155", Interval: 5 * time.Second, History: 16 << 20, Restart: ServePending},
		Timeouts: Timeouts{
			Call: 30 * time.Second, Sweep: 100 * time.Millisecond, Settle: 30 * time.Second,
			Hook: 10 * time.Minute, Check: 10 * time.Second, Fetch: 10 * time.Minute,
		},
	}
}

// moment is the shortest time limit: below it every one has passed before
// anything could happen.
const moment = time.Millisecond

func (r *reader) config(n node, c *Config) {
	r.mapping(n, keys{
		"state_dir":     r.absolute(&c.StateDir),
		"reset":         r.choice(&c.Reset, ResetSmart, ResetAlways, ResetNever),
		"stale_workers": r.choice(&c.Stale, StaleEnd, StaleReport),
		"apps":          r.apps(&c.Apps),
		"pools":         r.poolsOrOff(&c.Pools, &c.NoPools),
		"apache": r.section(keys{
			"control":   r.command(&c.Apache.Control),
			"status":    r.url(&c.Apache.Status, false),
			"agent_dir": r.absolute(&c.Apache.AgentDir),
		}),
		"thresholds": r.thresholds(&c.Thresholds),
		"restart": r.section(keys{
			"method": r.choice(&c.Restart.Method, MethodAuto, MethodOPcache, MethodFPM, MethodApache),
			"wait":   r.duration(&c.Restart.Wait, 0),
			"quiet":  r.duration(&c.Restart.Quiet, moment),
		}),
		"warm": r.section(keys{
			"workers": r.integer(&c.Warm.Workers, 1, 64),
			"slice":   r.duration(&c.Warm.Slice, moment),
			"pause":   r.duration(&c.Warm.Pause, 0),
		}),
		"health":   r.health(&c.Health),
		"serve":    r.serve(&c.Serve),
		"timeouts": r.timeouts(&c.Timeouts),
	})
}

func (r *reader) thresholds(t *Thresholds) take {
	return r.section(keys{
		"waste":             r.ratio(&t.Waste),
		"free_bytes":        r.size(&t.FreeBytes),
		"keys":              r.ratio(&t.Keys),
		"strings":           r.ratio(&t.Strings),
		"jit":               r.ratio(&t.JIT),
		"hit_rate":          r.ratio(&t.HitRate),
		"hit_rate_requests": r.integer(&t.HitRateRequests, 1, 1e9),
	})
}

func (r *reader) timeouts(t *Timeouts) take {
	return r.section(keys{
		"call":   r.duration(&t.Call, moment),
		"sweep":  r.duration(&t.Sweep, moment),
		"settle": r.duration(&t.Settle, 0),
		"hook":   r.duration(&t.Hook, moment),
		"check":  r.duration(&t.Check, moment),
		"fetch":  r.duration(&t.Fetch, moment),
	})
}

func (r *reader) poolsOrOff(to *[]Pool, none *bool) take {
	return func(n node) {
		if *none = r.isOff(n); !*none {
			r.pools(to)(n)
		}
	}
}

func (r *reader) pools(to *[]Pool) take {
	return func(n node) {
		for _, n := range r.items(n) {
			pool := Pool{StatusPath: "/status", AgentDir: "/var/lib/relink"}
			r.mapping(n, keys{
				"address":     r.address(&pool.Address),
				"status_path": r.urlPath(&pool.StatusPath),
				"agent_dir":   r.absolute(&pool.AgentDir),
				"path_map":    r.pathMap(&pool.PathMap),
				"command":     r.list(&pool.Command, r.text),
			})
			*to = append(*to, pool)
		}
	}
}

func (r *reader) pathMap(to *[]PathMapping) take {
	return func(n node) {
		for _, n := range r.items(n) {
			var mapping PathMapping
			r.mapping(n, keys{"host": r.absolute(&mapping.Host), "pool": r.absolute(&mapping.Pool)})
			*to = append(*to, mapping)
		}
	}
}
