package opcache

import (
	"relink/php"
	"relink/php/probe"
)

// Has tells whether the PHP that answered a probe is one of these: the same kind
// of server, the same start of its OPcache, and the same parent, each as far as it
// is known.
func (c *Caches) Has(a probe.Answer) bool { return c.find(a) != nil }

// ToHost is the script that answered a probe, as the host sees it.
func (c *Caches) ToHost(a probe.Answer) string {
	if p := c.find(a); p != nil {
		return p.agent.Pool().PathMap.ToHost(a.File)
	}
	return a.File
}

// Views are those of the pools that see paths otherwise than this machine does.
func (c *Caches) Views() []php.PathMap {
	var views []php.PathMap
	for _, one := range c.caches {
		if view := one.paths(); len(view) > 0 {
			views = append(views, view)
		}
	}
	return views
}

func (c *Caches) find(a probe.Answer) *pool {
	for _, p := range c.pools() {
		if p.answered(a) {
			return p
		}
	}
	return nil
}

// answered compares the start by the second: that is what OPcache counts in. A
// parent in another PID namespace has a number of its own there, and this host
// shows no master then.
func (p *pool) answered(a probe.Answer) bool {
	switch {
	case p.sapi != a.SAPI:
		return false
	case !a.CacheStart.IsZero() && a.CacheStart.Unix() != p.cacheStart.Unix():
		return false
	}
	return p.master == 0 || a.ParentPID == 0 || a.ParentPID == p.master
}
