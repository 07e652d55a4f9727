package opcache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"relink/fcgi"
	"relink/internal/proc"
	"relink/php"
	"relink/php/fpm"
	"relink/php/probe"

	"golang.org/x/sync/errgroup"
)

const (
	doorsAtOnce = 16
	doorsLimit  = 2 * time.Second // for all of them, however many do not answer
	doorsAgain  = 2 * time.Second // between two attempts at those that have not answered
)

// errUnasked: nobody has been at a door yet.
var errUnasked = errors.New("not asked yet")

// errElsewhere: a door leads to another pool now than before.
var errElsewhere = errors.New("not a worker of the pool")

// knownDoors are the ways through the web server to an application's sites. What each
// leads to is asked when somebody needs it, once; a site that has not answered,
// such as one that has no probe before its first deploy, is asked again.
type knownDoors struct {
	all []probe.Door

	mu      sync.Mutex
	answers []*probe.Answer // of each
	asked   time.Time       // last
}

// newDoors gives nil where there are none.
func newDoors(heard []probe.Heard) *knownDoors {
	if len(heard) == 0 {
		return nil
	}
	d := &knownDoors{}
	for _, one := range heard {
		var answer *probe.Answer
		if one.Err == nil {
			answer = &one.Answer
		}
		d.all, d.answers = append(d.all, one.Door), append(d.answers, answer)
	}
	return d
}

// ask gives what the sites have answered, nil for those that have not.
func (d *knownDoors) ask(ctx context.Context) []*probe.Answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.answers, nil) || time.Since(d.asked) < doorsAgain {
		return slices.Clone(d.answers)
	}
	ctx, cancel := context.WithTimeout(ctx, doorsLimit)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(doorsAtOnce)
	for i, door := range d.all {
		if d.answers[i] != nil {
			continue
		}
		group.Go(func() error {
			if answer, err := door.Ask(ctx); err == nil {
				d.answers[i] = &answer
			}
			return nil
		})
	}
	_ = group.Wait() // none fails: a site that does not answer leads nowhere yet
	d.asked = time.Now()
	return slices.Clone(d.answers)
}

// forget has a site asked again: the worker that answered has ended since, so that
// nobody can tell any more whose it was.
func (d *knownDoors) forget(i int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[i] = nil
}

// leading lists the doors that lead to the pool. Where some are known, those that
// have not answered are asked again only for more.
func (p *Pool) leading(ctx context.Context, more bool) []probe.Door {
	if p.doors == nil {
		return nil
	}
	leads := *p.leads.Load()
	if !slices.Contains(slices.Collect(maps.Values(leads)), true) || more {
		leads = p.follow(ctx, leads)
	}
	var leading []probe.Door
	for i, door := range p.doors.all {
		if leads[i] {
			leading = append(leading, door)
		}
	}
	return leading
}

// follow finds out where the doors lead of which that is not known yet.
func (p *Pool) follow(ctx context.Context, known map[int]bool) map[int]bool {
	leads, workers := maps.Clone(known), map[php.Worker]whose{}
	for i, answer := range p.doors.ask(ctx) {
		if _, done := leads[i]; done || answer == nil {
			continue
		}
		worker := php.Worker{PID: answer.PID, ParentPID: answer.ParentPID, SAPI: answer.SAPI}
		one, asked := workers[worker]
		if !asked { // 1,000 sites have been answered by a few workers
			one = p.whose(ctx, worker)
			workers[worker] = one
		}
		if one.gone {
			p.doors.forget(i)
			continue
		}
		leads[i] = one.own
	}
	p.leads.Store(&leads)
	return leads
}

// whose tells of a worker that has answered whether it is the pool's, and whether it has
// ended, so that nobody can tell.
type whose struct{ own, gone bool }

func (p *Pool) whose(ctx context.Context, w php.Worker) whose {
	own := p.Own(ctx, w)
	_, err := proc.Parent(ctx, w.PID)
	return whose{own, err != nil && !own}
}

// Door is one that leads to the pool, for the pool's agent.
func (p *Pool) Door(ctx context.Context) (probe.Door, error) {
	if ways := p.leading(ctx, false); len(ways) > 0 {
		return ways[0], nil
	}
	return probe.Door{}, fmt.Errorf("%w (%d asked)", php.ErrNoDetour, len(p.doors.all))
}

// Own tells whether who answered through a door is a worker of the pool. The socket
// that it holds proves it. A caller who may not see that has to know the worker from
// a listing. A pool in a container has pids that mean nothing here, and no door.
func (p *Pool) Own(ctx context.Context, w php.Worker) bool {
	if w.SAPI != fpmSAPI {
		return false
	}
	parent, err := proc.Parent(ctx, w.PID)
	if err == nil && w.ParentPID != 0 && w.ParentPID != parent {
		return false
	}
	if takes, err := fpm.Takes(w.PID, p.Pool.Address); err == nil {
		return takes
	}
	listed := slices.ContainsFunc(p.LastListing(), func(known fcgi.Process) bool { return known.PID == w.PID })
	return listed && p.master != 0 && (w.ParentPID == p.master || parent == p.master)
}

// fpmSAPI is PHP_SAPI in PHP-FPM.
const fpmSAPI = "fpm-fcgi"
