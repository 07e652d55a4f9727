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

func (c *Caches) find(a probe.Answer) *pool {
	for _, p := range c.pools() {
		if p.answered(a) {
			return p
		}
	}
	return nil
}

func (p *pool) answered(a probe.Answer) bool {
	return SamePHP(a, php.Status{Worker: p.worker, Statistics: php.Statistics{StartTime: p.cacheStart}}, p.master)
}

// SamePHP tells whether a probe was answered by the PHP whose status this is. The
// start is compared by the second: that is what OPcache counts in. A parent in
// another PID namespace has a number of its own there, and this host shows no
// master then (0).
func SamePHP(a probe.Answer, s php.Status, master int) bool {
	switch {
	case s.Worker.SAPI != a.SAPI:
		return false
	case !a.CacheStart.IsZero() && a.CacheStart.Unix() != s.Statistics.StartTime.Unix():
		return false
	case master != 0 && a.ParentPID != 0 && a.ParentPID != master:
		return false
	}
	return s.Worker.ParentPID == 0 || a.ParentPID == 0 || a.ParentPID == s.Worker.ParentPID
}
