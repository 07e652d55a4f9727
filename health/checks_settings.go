package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/fcgi"
	"relink/internal/ui"
	"relink/opcache"
)

func checkControlTimeout(f *Facts, m *Master, _ *Thresholds) Result {
	switch {
	case f.Cheap:
		return notAsked()
	case m.ControlErr != nil:
		return notMade(m.ControlErr)
	case m.ControlTimeout == nil || *m.ControlTimeout == 0:
		return problem(Warning, "process_control_timeout is 0: a reload of PHP-FPM kills the requests in flight",
			"set process_control_timeout = 10s in the [global] section of FPM's configuration")
	}
	return ok("%s", ui.Duration(*m.ControlTimeout))
}

func checkTimestamps(f *Facts, m *Master, _ *Thresholds) Result {
	if !m.Configuration.ValidateTimestamps {
		return ok("off")
	}
	for i := range f.Apps {
		if f.Apps[i].ServedBy(m.Apache, m.Pools) && len(f.Apps[i].Instances) > 1 {
			return problem(Warning, "opcache.validate_timestamps is on though the releases of "+f.Apps[i].Name+" are shared and never change",
				"set opcache.validate_timestamps=0 and reload "+m.server())
		}
	}
	return ok("on, and no releases are shared")
}

// ServedBy tells whether a cache, of Apache or of the pools at these addresses, serves the application.
func (a *App) ServedBy(apache bool, addresses []string) bool {
	return len(a.Pools) == 0 || apache || slices.ContainsFunc(addresses, func(p string) bool { return slices.Contains(a.Pools, p) })
}

// revalidatedCost: what is included by include or require, but not by *_once, is
// opened to be found (ZendAccelerator.c: persistent_compile_file).
const revalidatedCost = "It costs each include and require the opening of its file, about 10 µs"

// revalidatedWorth is docs/setups.md in short.
const revalidatedWorth = "on, so what is served through links is revalidated: a cut-over is the sweep alone, and nobody has to leave a path that others leave. " +
	"Worth it where the web server cannot send real paths and sites are moved one by one. " + revalidatedCost + " (docs/setups.md)"

func checkRevalidatePath(f *Facts, m *Master, _ *Thresholds) Result {
	switch {
	case !m.Configuration.RevalidatePath:
		return ok("off")
	case f.resolvedOn(m):
		return problem(Warning, "opcache.revalidate_path is on though the web server sends real paths: nothing goes stale without it. "+revalidatedCost,
			"set opcache.revalidate_path=0 and reload "+m.server())
	}
	return ok("%s", revalidatedWorth)
}

// resolvedOn tells whether the web server was seen to send real paths for all that
// a master serves.
func (f *Facts) resolvedOn(m *Master) bool {
	seen := false
	for i := range f.Apps {
		if !f.Apps[i].ServedBy(m.Apache, m.Pools) {
			continue
		}
		for _, one := range f.Apps[i].Fronts {
			if one.SetUp != opcache.Resolved { // "" where it could not be asked
				return false
			}
			seen = true
		}
	}
	return seen
}

const realpathFull = 0.95

func checkRealpathCache(_ *Facts, m *Master, _ *Thresholds) Result {
	size := m.Configuration.RealpathCacheSize
	if size == 0 {
		return ok("there is none")
	}
	used := opcache.Ratio(m.RealpathCache, size)
	r := ok("%s of realpath_cache_size %s in use", ui.Percent(used), ui.Bytes(size))
	if used > realpathFull {
		r = problem(Warning, r.Message, "raise realpath_cache_size and reload "+m.server())
	}
	return r.with(Figure{Name: "used", Value: used, Unit: Ratio})
}

func checkAcceleratedFiles(f *Facts, m *Master, _ *Thresholds) Result {
	largest := f.largestRelease(m)
	needed := m.Keys.Aliases + m.Scripts.Live + largest
	if largest > 0 && needed > m.Keys.Max {
		return problem(Warning, fmt.Sprintf("%s keys are too few: %s are live and the next release needs %s more",
			ui.Count(m.Keys.Max), ui.Count(m.Keys.Aliases+m.Scripts.Live), ui.Count(largest)),
			fmt.Sprintf("set opcache.max_accelerated_files to %d or more and reload %s", 2*needed, m.server()))
	}
	return ok("%s keys", ui.Count(m.Keys.Max))
}

// largestRelease counts the live scripts of a master's largest release that is in use.
func (f *Facts) largestRelease(m *Master) int64 {
	var largest int64
	if f.Report == nil {
		return 0
	}
	for _, app := range f.Report.Applications {
		for _, r := range app.Releases {
			for _, h := range r.Masters {
				if h.Name == m.Name && len(r.Instances) > 0 {
					largest = max(largest, h.LiveScripts)
				}
			}
		}
	}
	return largest
}

func checkUpdateProtection(_ *Facts, m *Master, _ *Thresholds) Result {
	protection := m.Configuration.FileUpdateProtection
	if protection > 2*time.Second {
		return problem(Warning, "opcache.file_update_protection is "+ui.Duration(protection)+": a new release cannot be warmed before",
			"set opcache.file_update_protection=0 and reload "+m.server()+": a release is complete before it is served")
	}
	return ok("%s", ui.Duration(protection))
}

func checkStatusPage(_ *Facts, p *Pool, _ *Thresholds) Result {
	switch {
	case p.Err != nil:
		return notMade(errDown)
	case p.StatusErr == nil:
		return ok("there")
	case errors.Is(p.StatusErr, fcgi.ErrStatusBusy):
		return notMade(p.StatusErr)
	case p.Configured:
		r := problem(Warning, "the pool has no status page at its status_path",
			"set pm.status_path in the pool's configuration and reload PHP-FPM, and status_path under pools in relink's to the same")
		r.Details = []string{oneLine(p.StatusErr.Error())}
		return r
	}
	return problem(Warning, "the pool has no pm.status_path", "set pm.status_path = /status in the pool's configuration and reload PHP-FPM")
}

func checkPreload(f *Facts, m *Master, _ *Thresholds) Result {
	if m.Preload == "" {
		return ok("not used")
	}
	for i := range f.Apps {
		if f.Apps[i].holds(m.Preload) || f.Apps[i].holds(m.Configuration.Preload) {
			return problem(Warning, "opcache.preload "+m.Preload+" belongs to "+f.Apps[i].Name+": its classes stay the old ones after a deploy",
				fmt.Sprintf("reload %s after each deploy (restart.method: %s), or preload only what no release brings", m.server(), m.ifApache("apache", "fpm")))
		}
	}
	return ok("%s, outside of the releases", m.Preload)
}

func (a *App) holds(path string) bool {
	if strings.HasPrefix(path, a.Releases+"/") {
		return true
	}
	return slices.ContainsFunc(a.Instances, func(i Instance) bool { return strings.HasPrefix(path, i.Link+"/") })
}

func checkFileCache(f *Facts, m *Master, _ *Thresholds) Result {
	if m.FileCache == "" {
		return ok("not used")
	}
	for i := range f.Masters {
		if other := &f.Masters[i]; other.Name != m.Name && other.FileCache == m.FileCache {
			return problem(Warning, "opcache.file_cache "+m.FileCache+" is also that of "+other.Name,
				"give each FPM master an opcache.file_cache of its own")
		}
	}
	return ok("%s, its own", m.FileCache)
}

func checkXdebug(_ *Facts, m *Master, _ *Thresholds) Result {
	switch {
	case m.XdebugErr != nil:
		return notMade(m.XdebugErr)
	case m.Xdebug != nil && *m.Xdebug:
		return problem(Warning, "the xdebug extension is loaded",
			fmt.Sprintf("disable it for this %s (phpdismod -s %s xdebug) and restart it", m.server(), m.ifApache("apache2", "fpm")))
	}
	return ok("not loaded")
}
