package health

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"relink/internal/ui"
)

func checkQueue(_ *Facts, p *Pool, t *Thresholds) Result {
	if p.Queue == nil {
		return notMade(cmp.Or(p.noStatus(), errors.New("the kernel does not tell this socket's queue (another network namespace, or a chroot)")))
	}
	return figure("waiting", Count, float64(*p.Queue), t.own).judge(ui.Plural(*p.Queue, "connection")+" waiting",
		"raise pm.max_children if memory allows, or look which requests keep the workers busy")
}

func checkMaxChildren(f *Facts, p *Pool, t *Thresholds) Result {
	return grown(f, p, func(g *PoolGrowth) Result {
		return figure("max_children", Count, float64(g.MaxChildren), t.own).judgeAs("pm.max_children reached "+ui.Plural(g.MaxChildren, "time")+ago(f, g.Since),
			"raise pm.max_children if memory allows: visitors wait while no further worker may be started")
	})
}

func checkSlow(f *Facts, p *Pool, t *Thresholds) Result {
	return grown(f, p, func(g *PoolGrowth) Result {
		return figure("slow_requests", Count, float64(g.SlowRequests), t.own).judgeAs(ui.Plural(g.SlowRequests, "request")+" slow"+ago(f, g.Since),
			"look into the pool's slowlog: it has the PHP stack of each")
	})
}

func grown(f *Facts, p *Pool, judge func(*PoolGrowth) Result) Result {
	switch err := p.noStatus(); {
	case err != nil:
		return notMade(err)
	case p.Growth == nil:
		return notJudged(f)
	}
	return judge(p.Growth)
}

// notJudged is OK without an earlier sample, UNKNOWN where samples cannot be kept.
func notJudged(f *Facts) Result {
	if f.Samples != nil {
		r := notMade(fmt.Errorf("no sample can be kept to compare with: %w", f.Samples))
		r.Fix = "run relink health as a user that may write in state_dir"
		return r
	}
	return ok("not judged yet: there is no earlier sample")
}

// quiet judges an application while no deploy is under way, by what a cheap look leaves out.
func quiet(check func(*Facts, *App, *Thresholds) Result) func(*Facts, *App, *Thresholds) Result {
	return func(f *Facts, a *App, t *Thresholds) Result {
		switch {
		case f.Cheap:
			return notAsked()
		case a.Locked != nil:
			return ok("not judged: a deploy is under way")
		}
		return check(f, a, t)
	}
}

// notAsked is a check of what a cheap look leaves out.
func notAsked() Result { return ok("not judged: left out of a cheap look") }

// ago is how long ago the growth began.
func ago(f *Facts, t time.Time) string { return " in " + ui.Duration(f.Time.Sub(t)) }
