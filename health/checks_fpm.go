package health

import (
	"errors"
	"fmt"
	"time"

	"relink/internal/ui"
)

var fpmChecks = []Check{{
	Name: "listen-queue", Family: "fpm", Bounds: "listen_queue",
	Means: "Connections that wait for a worker at this moment: visitors who wait. Read from the kernel for unix sockets, for which FPM itself " +
		"always reports 0, else from the status page. Judged by health.listen_queue.",
	run: checkQueues,
}, {
	Name: "max-children", Family: "fpm", Bounds: "max_children",
	Means: "How often within health.window a pool wanted another worker and pm.max_children forbade it (dynamic and ondemand pools). Judged by health.max_children.",
	run:   checkMaxChildren,
}, {
	Name: "slow-requests", Family: "fpm", Bounds: "slow_requests",
	Means: "Requests within health.window that took longer than the pool's request_slowlog_timeout; always 0 without that directive. Judged by health.slow_requests.",
	run:   checkSlow,
}}

func checkQueues(f *Facts, t *Thresholds) []Result {
	return eachFPM(f, func(p *Pool) Result {
		if p.Queue == nil {
			return NotMade(p.Address, noQueue(p))
		}
		waiting := *p.Queue
		state := t.own.atMost(float64(waiting))
		message := ui.Plural(waiting, "connection") + " waiting"
		if state != OK {
			message += fmt.Sprintf(" for a worker, more than %g", t.own.crossed(state))
		}
		return judged(state, p.Address, message, "raise pm.max_children if memory allows, or look which requests keep the workers busy").
			with(figure("waiting", Count, float64(waiting), t.own))
	})
}

func noQueue(p *Pool) error {
	if err := p.noStatus(); err != nil {
		return err
	}
	return errors.New("the kernel does not tell this socket's queue (another network namespace, or a chroot)")
}

func checkMaxChildren(f *Facts, t *Thresholds) []Result {
	return eachFPM(f, func(p *Pool) Result {
		return grown(f, p, t.own, counter{
			name: "max_children", of: func(g *PoolGrowth) int64 { return g.MaxChildren },
			say: func(n int64) string { return "pm.max_children reached " + ui.Plural(n, "time") },
			fix: "raise pm.max_children if memory allows: visitors wait while no further worker may be started",
		})
	})
}

func checkSlow(f *Facts, t *Thresholds) []Result {
	return eachFPM(f, func(p *Pool) Result {
		return grown(f, p, t.own, counter{
			name: "slow_requests", of: func(g *PoolGrowth) int64 { return g.SlowRequests },
			say: func(n int64) string { return ui.Plural(n, "request") + " slow" },
			fix: "look into the pool's slowlog: it has the PHP stack of each",
		})
	})
}

func eachPool(f *Facts, check func(*Pool) Result) []Result {
	var results []Result
	for i := range f.Pools {
		results = append(results, check(&f.Pools[i]))
	}
	return results
}

// eachFPM leaves out the PHP inside of Apache, which has no such thing.
func eachFPM(f *Facts, check func(*Pool) Result) []Result {
	var results []Result
	for i := range f.Pools {
		if p := &f.Pools[i]; !p.Apache {
			results = append(results, check(p))
		}
	}
	return results
}

// counter is how one of FPM is read and told.
type counter struct {
	name string
	of   func(*PoolGrowth) int64
	say  func(n int64) string
	fix  string
}

func grown(f *Facts, p *Pool, b Bounds, c counter) Result {
	if err := p.noStatus(); err != nil {
		return NotMade(p.Address, err)
	}
	if p.Growth == nil {
		return notJudged(f, p.Address)
	}
	n := c.of(p.Growth)
	return judged(b.atMost(float64(n)), p.Address, c.say(n)+ago(f, p.Growth.Since), c.fix).with(figure(c.name, Count, float64(n), b))
}

// notJudged is OK without an earlier sample, UNKNOWN where samples cannot be kept.
func notJudged(f *Facts, subject string) Result {
	if f.Samples != nil {
		r := NotMade(subject, fmt.Errorf("no sample can be kept to compare with: %w", f.Samples))
		r.Fix = "run relink health as a user that may write in state_dir"
		return r
	}
	return ok(subject, "not judged yet: there is no earlier sample")
}

// notAsked is a check of what a cheap look leaves out.
func notAsked() Result { return ok("", "not judged: left out of a cheap look") }

// ago is how long ago the growth began.
func ago(f *Facts, t time.Time) string { return " in " + ui.Duration(f.Time.Sub(t)) }
