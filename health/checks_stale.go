package health

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/deploy/status"
	"relink/fcgi"
	"relink/internal/hint"
	"relink/internal/ui"
	"relink/opcache"
)

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
	var shown, hidden, setUps []string
	var failure error
	for _, one := range a.Fronts {
		if one.Err != nil {
			hidden, failure = append(hidden, one.Instance), cmp.Or(failure, one.Err)
			continue
		}
		shown, setUps = append(shown, one.Instance), append(setUps, string(one.SetUp))
	}
	message := fmt.Sprintf("%s of %d show the release that the link leads to", ui.Plural(len(shown), "instance"), len(a.Fronts))
	if len(shown) > 0 {
		slices.Sort(setUps)
		message += " (" + strings.Join(slices.Compact(setUps), ", ") + ")"
	}
	r := ok("%s", message)
	if len(hidden) > 0 {
		r.Details = []string{fmt.Sprintf("%s cannot be asked: %v", ui.FirstFew(hidden), failure)}
		r.Fix = strings.Join(hint.Of(failure), "; ")
	}
	return r
}

// frontFaults tells, a line for each instance, what is wrong: first which show something
// else than their links say.
func frontFaults(a *App) []string {
	var wrong, strange []string
	for _, one := range a.Fronts {
		if one.Err != nil {
			continue
		}
		if one.Wanted != "" && one.Release != one.Wanted {
			wrong = append(wrong, fmt.Sprintf("%s is served from %s, its link leads to %s (%s, pid %d)", one.Instance, one.Release, one.Wanted, one.Answer.SAPI, one.Answer.PID))
		}
		if one.Strange && one.SetUp != opcache.Resolved {
			strange = append(strange, fmt.Sprintf("%s is served by a PHP that no pool leads to (%s, pid %d)", one.Instance, one.Answer.SAPI, one.Answer.PID))
		}
	}
	return append(wrong, strange...)
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
	at := slices.IndexFunc(f.Pools, func(p Pool) bool { return p.Address == w.Pool && (p.Processes != nil || p.Status != nil) })
	if at < 0 {
		return false, false
	}
	p := f.Pools[at]
	if p.Processes != nil {
		return slices.Contains(p.Processes, w.PID), true
	}
	same := func(now fcgi.Process) bool { return now.PID == w.PID && !now.StartTime.After(pending.Since) }
	return slices.ContainsFunc(p.Status.Processes, same), true
}
