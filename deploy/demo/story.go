package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relink/deploy/outcome"
	"relink/internal/pace"
)

// startFor lets the load run before it is measured: its first seconds are its
// slowest, until connections, realpath caches and the application's own caches
// are there.
const startFor = 3 * time.Second

// act is one command and what was measured around it.
type act struct {
	title     string
	args      []string // of relink; none: the load alone
	Report    outcome.Report
	Figures   figures
	Took      time.Duration // of the command
	Moved     int           // links of the sites to deploy that lead to the release
	ToMove    int
	Others    int // links of other sites that lead to another release than before
	Restarts  int // of the processes that run PHP
	Answering int // sites, where they were counted
	ToAnswer  int
	Slow      *slowAnswer
	Meeting   meeting // of the slow request with the cut-over
}

// stage is a story that is being told.
type stage struct {
	*scene
	tell    teller
	traffic traffic
	alone   figures // the load without a deploy
	acts    []act
}

// play tells the whole story. The load runs from the first release on to the end.
func play(ctx context.Context, s *scene, tell teller) ([]act, error) {
	p := &stage{scene: s, tell: tell}
	if err := p.firstRelease(ctx); err != nil {
		return nil, err
	}
	var err error
	if p.traffic, err = s.startTraffic(ctx); err != nil {
		return nil, err
	}
	defer p.traffic.stop()
	if err := p.loadAlone(ctx); err != nil {
		return nil, err
	}
	for _, next := range p.plans() {
		if err := p.act(ctx, next); err != nil {
			return nil, err
		}
	}
	return p.acts, nil
}

// plan is an act before it is played.
type plan struct {
	title, About string
	Args         []string
	moves        int // so many sites, from the first on
	first, rest  expectation
	slow         bool
}

// plans are the acts under load.
func (p *stage) plans() []plan {
	onV2, onV1 := expectation{gone: "v1"}, expectation{gone: "v2"}
	return []plan{{
		title: "v2 to one", About: "The next release, for one site only.",
		Args:  []string{"deploy", "v2", "--instance", p.sites[0].name, "--smart-reset"},
		moves: 1, first: onV2, rest: expectation{never: "v2"},
	}, {
		title: "v2 to all", About: "The next release, for all, while a slow request is in flight.",
		Args:  []string{"deploy", "v2", "--all", "--smart-reset"},
		moves: len(p.sites), first: expectation{never: "v1"}, rest: onV2, slow: true,
	}, {
		title: "rollback", About: "Back to the first release.",
		Args:  []string{"rollback", "--all", "--smart-reset"},
		moves: len(p.sites), first: onV1, rest: onV1,
	}}
}

// firstRelease makes the links. There is no load yet: there is nothing to ask.
func (p *stage) firstRelease(ctx context.Context) (err error) {
	a := act{title: "deploy v1", args: []string{"deploy", "v1", "--all", "--smart-reset"}, ToMove: len(p.sites), ToAnswer: len(p.sites)}
	p.tell.say("act begins", plan{About: "The first release: the command makes the links.", Args: a.args})
	pids, err := p.processes()
	if err != nil {
		return err
	}
	began := time.Now()
	if a.Report, _, err = p.relink.Run(ctx, a.args, nil); err != nil {
		return err
	}
	a.Took = time.Since(began)
	if a.Answering, err = p.visit(ctx, "v1"); err != nil {
		return err
	}
	if err := p.look(&a, nil, pids); err != nil {
		return err
	}
	p.acts = append(p.acts, a)
	p.tell.say("first release", a)
	return nil
}

// loadAlone is what the acts are compared with.
func (p *stage) loadAlone(ctx context.Context) error {
	p.tell.say("load begins", p.Options)
	if err := pace.Wait(ctx, startFor); err != nil {
		return err
	}
	before, began := p.traffic.now(), time.Now()
	if err := pace.Wait(ctx, p.Alone); err != nil {
		return err
	}
	now := time.Now()
	p.alone = measureAll(before, p.traffic.now(), span{began, now}, expectation{never: "v2"}, expectation{never: "v2"})
	p.acts = append(p.acts, act{title: "load alone", Figures: p.alone})
	p.tell.alone(p.alone, p.Alone)
	return nil
}

func (p *stage) act(ctx context.Context, next plan) error {
	p.tell.say("act begins", next)
	links, err := p.targets()
	if err != nil {
		return err
	}
	pids, err := p.processes()
	if err != nil {
		return err
	}
	a := act{title: next.title, args: next.Args, ToMove: next.moves}
	before := p.traffic.now()
	at, err := p.perform(ctx, &a, next.slow)
	if err != nil {
		return err
	}
	a.Figures = measureAll(before, p.traffic.now(), at, next.first, next.rest)
	if err := p.look(&a, links, pids); err != nil {
		return err
	}
	p.acts = append(p.acts, a)
	p.tell.act(a, len(p.sites), p.alone)
	return nil
}

// perform runs the command, with the slow request around it where there is to
// be one, and watches the load for a while after.
func (p *stage) perform(ctx context.Context, a *act, slow bool) (at span, err error) {
	inFlight := p.slowRequest(ctx, p.sites[1])
	defer inFlight.end()
	stepped := func(string) {}
	if slow {
		stepped = inFlight.stepped
	}
	at.began = time.Now()
	if a.Report, _, err = p.relink.Run(ctx, a.args, stepped); err != nil {
		return at, err
	}
	at.returned = time.Now()
	a.Took = at.returned.Sub(at.began)
	if slow {
		got := inFlight.land()
		began := got.began.Sub(at.began)
		a.Slow, a.Meeting = &got, meet(began, began+got.Took, a.Report)
	}
	return at, pace.Wait(ctx, p.Watch)
}

// look finds which links lead where, and which processes have ended.
func (p *stage) look(a *act, before map[string]string, pids []int) error {
	now, err := p.targets()
	if err != nil {
		return err
	}
	repeat := repeats(a.Report)
	for i, one := range p.sites {
		switch {
		case i < a.ToMove && filepath.Base(now[one.name]) == a.Report.Release:
			a.Moved++
		case i >= a.ToMove && now[one.name] != before[one.name] && filepath.Base(now[one.name]) != repeat[one.name]:
			a.Others++
		}
	}
	running, err := p.processes()
	a.Restarts = lost(pids, running)
	return err
}

// repeats are the releases of the sites that stay on theirs, under a new path.
func repeats(r outcome.Report) map[string]string {
	to := map[string]string{}
	for _, one := range r.Instances {
		if one.Stays {
			to[one.Name] = one.To
		}
	}
	return to
}

// targets is where each link leads.
func (s *scene) targets() (map[string]string, error) {
	targets := map[string]string{}
	for _, one := range s.sites {
		target, err := os.Readlink(one.link)
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		targets[one.name] = target
	}
	return targets, nil
}

func typed(args []string) string { return "relink " + strings.Join(args, " ") }
