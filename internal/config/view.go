package config

import "time"

// pairs makes a mapping of keys and values in turn, without the empty ones.
func pairs(list ...any) ordered {
	var o ordered
	for i := 0; i < len(list); i += 2 {
		o.add(list[i].(string), plainValue(list[i+1]))
	}
	return o
}

func plainValue(value any) any {
	if d, ok := value.(time.Duration); ok {
		return shortDuration(d)
	}
	return value
}

func viewOf(c *Config) ordered {
	return pairs(
		"state_dir", c.StateDir,
		"reset", c.Reset,
		"stale_workers", c.Stale,
		"apps", viewApps(c.Apps),
		"pools", viewPools(c),
		"apache", pairs("control", c.Apache.Control, "status", c.Apache.Status, "agent_dir", c.Apache.AgentDir),
		"thresholds", pairs(
			"waste", c.Thresholds.Waste,
			"free_bytes", formatSize(c.Thresholds.FreeBytes),
			"keys", c.Thresholds.Keys,
			"strings", c.Thresholds.Strings,
			"jit", c.Thresholds.JIT,
			"hit_rate", c.Thresholds.HitRate,
			"hit_rate_requests", c.Thresholds.HitRateRequests),
		"restart", pairs("method", c.Restart.Method, "wait", c.Restart.Wait, "quiet", c.Restart.Quiet),
		"warm", pairs("workers", c.Warm.Workers, "slice", c.Warm.Slice, "pause", c.Warm.Pause),
		"health", viewHealth(c.Health),
		"serve", viewServe(c.Serve),
		"timeouts", pairs(
			"call", c.Timeouts.Call,
			"sweep", c.Timeouts.Sweep,
			"settle", c.Timeouts.Settle,
			"hook", c.Timeouts.Hook,
			"check", c.Timeouts.Check,
			"fetch", c.Timeouts.Fetch),
	)
}

func viewApps(apps []App) ordered {
	var o ordered
	for _, a := range apps {
		o.add(a.Name, viewApp(a))
	}
	return o
}

func viewApp(a App) ordered {
	source := pairs(a.Source.Kind, a.Source.Location)
	if a.Source.Submodules {
		source.add("submodules", true)
	}
	return pairs(
		"source", source,
		"releases", a.Releases,
		"keep", a.Keep,
		"min_free", formatSize(a.MinFree),
		"link_target", a.LinkTarget,
		"docroot", a.Docroot,
		"instances", viewInstances(a.Instances),
		"instances_from", viewFrom(a.InstancesFrom),
		"check", viewCheck(a.Check),
		"probe", viewProbe(a.Probe),
		"map", a.Map,
		"shared", a.Shared,
		"shared_dir", a.SharedDir,
		"assets", a.Assets,
		"hooks", pairs(
			"build", a.Hooks.Build,
			"before_switch", a.Hooks.BeforeSwitch,
			"after_switch", a.Hooks.AfterSwitch,
			"timeout", a.Hooks.Timeout),
		"pools", a.Pools,
	)
}

func viewInstances(instances []Instance) ordered {
	var o ordered
	for _, i := range instances {
		switch {
		case i.Found:
		case i.Check == nil && !i.Probe.given():
			o.add(i.Name, i.Link)
		default:
			o.add(i.Name, pairs("link", i.Link, "check", viewCheck(i.Check), "probe", viewProbe(i.Probe)))
		}
	}
	return o
}

func viewFrom(from *InstancesFrom) ordered {
	if from == nil {
		return nil
	}
	return pairs("pattern", from.Pattern, "except", from.Except)
}

const off = "off"

func viewCheck(c *Check) any {
	switch {
	case c == nil:
		return ordered(nil)
	case c.Off:
		return off
	}
	return pairs("url", c.URL, "host", c.Host, "status", c.Status, "contains", c.Contains, "timeout", c.Timeout)
}

func viewProbe(p *Probe) any {
	switch {
	case !p.given():
		return ordered(nil)
	case p.Off:
		return off
	}
	return pairs("url", p.URL, "host", p.Host)
}

// given is false where there is nothing to tell of a probe.
func (p *Probe) given() bool { return p != nil && *p != (Probe{}) }

func viewPools(c *Config) any {
	if c.NoPools {
		return off
	}
	return each(c.Pools, viewPool)
}

func viewPool(p Pool) ordered {
	return pairs(
		"address", p.Address,
		"status_path", p.StatusPath,
		"agent_dir", p.AgentDir,
		"path_map", each(p.PathMap, viewMapping),
		"command", p.Command,
	)
}

func viewMapping(m PathMapping) ordered { return pairs("host", m.Host, "pool", m.Pool) }

func each[T any](all []T, view func(T) ordered) []ordered {
	list := make([]ordered, len(all))
	for i := range all {
		list[i] = view(all[i])
	}
	return list
}
