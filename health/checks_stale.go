package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"relink/deploy/status"
	"relink/fcgi"
	"relink/internal/ui"
	"relink/opcache"
)

var staleChecks = []Check{{
	Name: "front-door", Family: "stale",
	Means: "Each instance is asked through its own web server which release serves it (the probe: docs/front-door.md). CRITICAL: another release than the link leads to, or a PHP " +
		"that no pool leads to, so that the next deploy would not reach it. Not judged while a deploy is under way, nor for instances whose address nobody has given (check, probe).",
	run: each(apps, quiet(checkFront)),
}, {
	Name: "old-release", Family: "stale",
	Means: "A release that no link leads to is still used: scripts of it were hit within health.window, later than timeouts.settle after the last link moved, " +
		"and no request that is older than that is in flight. CRITICAL: visitors get old code.",
	run: each(apps, quiet(checkOld)),
}, {
	Name: "stale-workers", Family: "stale",
	Means: "Workers that a deploy could not reach, because they were busy, and that still live. WARNING: each may serve old code for pages that nobody has asked for since.",
	run:   each(apps, checkWorkers),
}}

func checkFront(_ *Facts, a *App, _ *Thresholds) Result {
	switch {
	case a.FrontErr != nil:
		return ok("not asked: %v", a.FrontErr)
	case len(a.Fronts) == 0:
		return ok("not asked: no deploy has made the probe yet, or no instance has a check or a probe that gives its address")
	}
	if wrong := frontFaults(a); len(wrong) > 0 {
		r := problem(Critical, wrong[0], fmt.Sprintf(`run "relink recover --app %s"; a PHP that is none of the pools has to be restarted once, and named under pools`, a.Name))
		r.Details = wrong[1:]
		return r.with(Figure{Name: "instances", Value: float64(len(wrong)), Unit: Count})
	}
	var hidden []string
	setUps := map[string]bool{}
	for _, one := range a.Fronts {
		if one.Err != nil {
			hidden = append(hidden, one.Instance)
			continue
		}
		setUps[string(one.SetUp)] = true
	}
	r := ok("%s of %d show the release that the link leads to%s", ui.Plural(len(a.Fronts)-len(hidden), "instance"), len(a.Fronts), inSetUps(setUps))
	if len(hidden) > 0 {
		for _, one := range a.Fronts {
			if one.Err != nil {
				r.Details = append(r.Details, fmt.Sprintf("%s cannot be asked: %v", ui.FirstFew(hidden), one.Err))
				break
			}
		}
	}
	return r
}

// wrong lists the fronts that show something else than the links say.
func (app *App) wrong() []Front {
	return slices.DeleteFunc(slices.Clone(app.Fronts), func(f Front) bool {
		return f.Err != nil || f.Wanted == "" || f.Release == f.Wanted
	})
}

// inSetUps is the end of a sentence that names the set-ups.
func inSetUps(setUps map[string]bool) string {
	if len(setUps) == 0 {
		return ""
	}
	return " (" + strings.Join(slices.Sorted(maps.Keys(setUps)), ", ") + ")"
}

// frontFaults tells, a line for each instance, what is wrong.
func frontFaults(a *App) []string {
	var faults []string
	for _, one := range a.wrong() {
		faults = append(faults, fmt.Sprintf("%s is served from %s, its link leads to %s (%s, pid %d)", one.Instance, one.Release, one.Wanted, one.Answer.SAPI, one.Answer.PID))
	}
	for _, one := range a.Fronts {
		if one.Err == nil && one.Strange && one.SetUp != opcache.Resolved {
			faults = append(faults, fmt.Sprintf("%s is served by a PHP that no pool leads to (%s, pid %d)", one.Instance, one.Answer.SAPI, one.Answer.PID))
		}
	}
	return faults
}

func checkOld(f *Facts, a *App, t *Thresholds) Result {
	var used []string
	for _, old := range a.Old {
		if old.usedSince(a.Changed().Add(t.Settle), f.Time.Add(-t.Window)) {
			used = append(used, fmt.Sprintf("%s (last %s ago)", old.Release, ui.Duration(f.Time.Sub(old.LastUsed))))
		}
	}
	switch {
	case len(used) == 0 && a.CacheErr != nil:
		return notMade(a.CacheErr)
	case len(used) == 0:
		return ok("no release is used that no link leads to")
	}
	if request := f.since(a.Changed()); request != "" {
		return ok("%s still in use by a request that began before the switch: %s", ui.FirstFew(used), request)
	}
	return problem(Critical, "used though no link leads there: "+ui.FirstFew(used),
		fmt.Sprintf(`run "relink recover --app %s"; if that finds nothing to do, "relink opcache reset" at a quiet moment`, a.Name))
}

// usedSince compares whole seconds, which OPcache counts in.
func (o OldRelease) usedSince(settled, window time.Time) bool {
	return o.LastUsed.After(settled.Truncate(time.Second)) && o.LastUsed.After(window)
}

// since finds a request in flight that began before t.
func (f *Facts) since(t time.Time) string {
	for _, p := range f.Pools {
		if p.Status == nil {
			continue
		}
		for _, w := range p.Status.Processes {
			if w.State == fcgi.StateRunning && f.Time.Add(-w.RequestDuration).Before(t) {
				return fmt.Sprintf("worker %d of %s, %s %s for %s", w.PID, p.Address, w.Method, w.URI, ui.Duration(w.RequestDuration))
			}
		}
	}
	return ""
}

func checkWorkers(f *Facts, a *App, _ *Thresholds) Result {
	if a.DeployErr != nil {
		return notMade(a.DeployErr)
	}
	if a.Pending == nil || a.Locked != nil || len(a.Pending.Stale) == 0 {
		return ok("none")
	}
	var alive, ending, hidden []string
	for _, w := range a.Pending.Stale {
		switch lives, known := f.lives(w, a.Pending); {
		case !known:
			hidden = append(hidden, w.Pool)
		case lives && w.Ends:
			ending = append(ending, fmt.Sprintf("worker %d of %s", w.PID, w.Pool))
		case lives:
			alive = append(alive, fmt.Sprintf("worker %d of %s", w.PID, w.Pool))
		}
	}
	count := Figure{Name: "workers", Value: float64(len(alive)), Unit: Count}
	fix := fmt.Sprintf(`run "relink recover --app %s": it reaches them once they are free`, a.Name)
	switch {
	case len(alive) > 0:
		return problem(Warning, "may be on an old release since the last deploy: "+ui.FirstFew(alive), fix).with(count)
	case len(hidden) > 0:
		return problem(Unknown, "cannot tell whether workers that the last deploy did not reach still live: no status page of "+ui.FirstFew(hidden), fix)
	}
	if len(ending) > 0 {
		return ok("in a request from before the last deploy, and end with it: %s", ui.FirstFew(ending)).with(count)
	}
	return ok("those that the last deploy did not reach have ended").with(count)
}

// lives tells whether a worker that was not reached is still the same process.
func (f *Facts) lives(w opcache.Worker, pending *status.Pending) (lives, known bool) {
	for _, p := range f.Pools {
		if p.Address == w.Pool && p.Processes != nil {
			return slices.Contains(p.Processes, w.PID), true
		}
		if p.Address != w.Pool || p.Status == nil {
			continue
		}
		for _, now := range p.Status.Processes {
			if now.PID == w.PID {
				return !now.StartTime.After(pending.Since), true
			}
		}
		return false, true
	}
	return false, false
}
