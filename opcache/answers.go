package opcache

import (
	"os"
	"slices"

	"relink/php"
	"relink/php/probe"
)

// Has tells whether the PHP that answered a probe is one of these: the same kind
// of server, the same start of its OPcache, and the same parent, each as far as it
// is known.
func (c *Caches) Has(a probe.Answer) bool {
	return slices.ContainsFunc(c.pools(), func(p *Pool) bool { return SamePHP(a, p.Status) })
}

// ToHost is the script that answered a probe, as the host sees it. The pools of
// containers that began together, each with a first process of its own, may all
// be the one that answered: then it is the way in which the file exists.
func (c *Caches) ToHost(a probe.Answer) string {
	host := a.File
	for _, p := range c.pools() {
		if !SamePHP(a, p.Status) {
			continue
		}
		if host = p.PathMap.ToHost(a.File); Exists(host) {
			break
		}
	}
	return host
}

// Views are those of the pools that see paths otherwise than this machine does.
func (c *Caches) Views() []php.PathMap {
	var views []php.PathMap
	for _, one := range c.Spaces() {
		if view := one.paths(); len(view) > 0 {
			views = append(views, view)
		}
	}
	return views
}

// SamePHP tells whether a probe was answered by the PHP whose status this is. The
// start is compared by the second: that is what OPcache counts in. The parent is
// compared by the number that the workers themselves know it by: in another PID
// namespace that is not the one of this host.
func SamePHP(a probe.Answer, s php.Status) bool {
	switch {
	case s.Worker.SAPI != a.SAPI:
		return false
	case !a.CacheStart.IsZero() && a.CacheStart.Unix() != s.Statistics.StartTime.Unix():
		return false
	}
	return s.Worker.ParentPID == 0 || a.ParentPID == 0 || a.ParentPID == s.Worker.ParentPID
}

func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
