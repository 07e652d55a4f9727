package config

// Locate completes each probe that has no address with the one that find tells for
// the instance's link, and what is served behind it; "" where find knows none. A
// site that nobody shall ask ("check: off") is not looked for.
func (c *Config) Locate(find func(link, docroot string) (url, host string)) {
	for i := range c.Apps {
		app := &c.Apps[i]
		for k := range app.Instances {
			one := &app.Instances[k]
			if one.Probe.Off || one.Probe.URL != "" || one.Check != nil && one.Check.Off {
				continue
			}
			if url, host := find(one.Link, app.Docroot); url != "" {
				one.Probe = &Probe{URL: url, Host: host}
			}
		}
	}
}
