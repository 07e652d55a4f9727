package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// rollOut asks the fleet for a rollout, and follows it. The agents carry it on whatever
// becomes of this process: a signal asks them to take it back, where that is undecided.
func (s *session) rollOut(ctx context.Context, target chooses) error {
	next, at, err := s.plan(ctx, target)
	if ctx.Err() != nil {
		return exit.As(exit.ErrInterrupted, errors.New("interrupted before the rollout was asked for; nothing has changed"))
	}
	if err != nil {
		return err // there is no rollout to report
	}
	of, err := s.proof()
	if err != nil {
		return err
	}
	report := &Report{App: s.app, DryRun: s.Bool("dry-run"), Rollout: *next.Rollout}
	show := func(err error) error {
		of(&report.Rollout)
		return s.Show(report.ended(err), err)
	}
	if report.DryRun {
		return show(nil)
	}
	if err := s.begin(ctx, next, at); err != nil {
		return err
	}
	if s.IsSet("wait") && s.Duration("wait") <= 0 {
		return show(exit.As(exit.ErrUnverified, fmt.Errorf("rollout %s is under way; see relink fleet status", next.Rollout.ID)))
	}
	return show(s.follow(ctx, report))
}

// lostTime bounds how long it is tried to find out whether a rollout was written.
const lostTime = 30 * time.Second

// begin writes a rollout. Where etcd's answer is lost, it may be there all the same, or come to
// be: the state of before is written once more, which only one of both writes can pass.
func (s *session) begin(ctx context.Context, next fleet.State, at store.At) error {
	steady, cancel := context.WithTimeout(context.WithoutCancel(ctx), lostTime)
	defer cancel()
	lost := s.store.Replace(steady, s.app, next, at.Revision)
	if !errors.Is(lost, store.ErrAway) {
		return lost
	}
	s.Screen().Line("  %s; asking whether the rollout was written", lost)
	for {
		err := s.store.Replace(steady, s.app, at.State, at.Revision)
		if err == nil {
			return fmt.Errorf("nothing has changed on any host: %w", lost)
		}
		if errors.Is(err, store.ErrChanged) {
			var now fleet.State
			now, _, err = s.store.State(steady, s.app)
			switch {
			case err == nil && now.Rollout != nil && now.Rollout.ID == next.Rollout.ID:
				return nil
			case err == nil:
				return store.ErrChanged
			}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return s.unknown(next, err)
		case <-steady.Done():
			return s.unknown(next, err)
		}
	}
}

func (s *session) unknown(next fleet.State, err error) error {
	return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("it is not known whether rollout %s of %s was written; where it was, the agents carry it on: %w", next.Rollout.ID, next.Rollout.Target.Ref, err)),
		"see relink fleet status once etcd answers")
}

// follow tells how far it has come, until it has ended. A signal has it taken back.
func (s *session) follow(ctx context.Context, report *Report) error {
	bound := report.Rollout.Most()
	if s.IsSet("wait") {
		bound = s.Duration("wait")
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	ended := make(chan struct{})
	watching, stop := context.WithCancel(limited)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	asking.Go(func() { s.takeBackAfter(ctx, watching, report.Rollout.ID) })
	told := &progress{session: s, report: report, began: time.Now()}
	err := store.Again(watching, time.Second, told.away, func(ctx context.Context) error {
		return s.store.Follow(ctx, store.Everything, func(v store.View) {
			if told.tell(v) {
				select {
				case <-ended:
				default:
					close(ended)
					stop()
				}
			}
		})
	})
	if err != nil {
		return err
	}
	select {
	case <-ended:
	default:
		return exit.As(exit.ErrUnverified, fmt.Errorf("rollout %s has not ended after %s; the agents carry it on: relink fleet status", report.Rollout.ID, ui.Duration(bound)))
	}
	if told.passed {
		return hint.With(exit.As(exit.ErrUnverified, fmt.Errorf("rollout %s has ended while etcd was away, and another one has begun since", report.Rollout.ID)), "relink fleet history tells what became of it")
	}
	err = errors.Join(report.verdict(), s.compare(limited, report))
	if ctx.Err() != nil && err != nil && !errors.Is(err, exit.ErrRolledBack) {
		err = exit.As(exit.ErrInterrupted, err)
	}
	return err
}

// compare lists what two hosts have prepared otherwise.
func (s *session) compare(ctx context.Context, report *Report) error {
	if len(report.Rollout.Show) < 2 {
		return nil
	}
	var lists [2][]byte
	for i, host := range report.Rollout.Show[:2] {
		list, err := s.store.Shown(ctx, s.app, host)
		if err != nil || list == nil {
			return err
		}
		lists[i] = list
	}
	differ, err := fleet.Differing(lists[0], lists[1])
	if err != nil {
		return err
	}
	report.Differ = differ
	return fmt.Errorf("%s and %s differ in %s: %s", report.Rollout.Show[0], report.Rollout.Show[1], ui.Plural(len(differ), "path"), ui.First(10, differ))
}

// takeBackAfter has a rollout taken back once ctx ends, unless watching has ended before. It asks
// until that is written, or decided otherwise: etcd may be away just then.
func (s *session) takeBackAfter(ctx, watching context.Context, id string) {
	select {
	case <-ctx.Done():
	case <-watching.Done():
		return
	}
	s.Screen().Line("  asking the hosts to take it back; what is decided already stays")
	told := false
	for {
		err := s.giveUp(watching, id, "interrupted by "+s.who())
		if err == nil || watching.Err() != nil {
			return
		}
		if !told {
			told = true
			s.Screen().Line("  %s; asking again until it does", err)
		}
		select {
		case <-time.After(time.Second):
		case <-watching.Done():
			return
		}
	}
}

// giveUp has it taken back where nothing is decided yet.
func (s *session) giveUp(ctx context.Context, id, reason string) error {
	return s.store.Change(ctx, s.app, func(state fleet.State) (fleet.State, bool) {
		if state.Rollout == nil || state.Rollout.ID != id {
			return state, false
		}
		return fleet.GiveUp(state, reason)
	})
}

// progress tells each news once.
type progress struct {
	*session
	report *Report
	began  time.Time
	phase  string
	stages map[string]fleet.Stage
	passed bool // another rollout has begun since: etcd was away in between
	live   bool // what comes was said just now
}

func (p *progress) away(err error) {
	p.live = false
	p.Screen().Line("  %s; the agents go on by what they know", err)
}

// tell notes a view, and tells whether the rollout has ended.
func (p *progress) tell(v store.View) (ended bool) {
	r := v.Apps[p.app].Rollout
	if r == nil || r.ID != p.report.Rollout.ID {
		p.passed = true
		return true
	}
	if p.live {
		p.report.hear(v.VotesOn(p.app, r.ID), time.Now())
	}
	p.live = true
	p.report.take(*r, v.VotesOn(p.app, r.ID), v.Hosts)
	if p.stages == nil {
		p.stages = map[string]fleet.Stage{}
	}
	for _, host := range r.Hosts {
		vote := p.report.Votes[host]
		if vote.Stage != "" && vote.Stage != p.stages[host] {
			p.stages[host] = vote.Stage
			p.Screen().Line("  %s: %s", ui.Printable(host), ui.Printable(strings.TrimSuffix(strings.Join([]string{string(vote.Stage), firstLine(vote.Error)}, ", "), ", ")))
		}
	}
	if phase := fmt.Sprint(r.Phase, r.Wave); phase != p.phase {
		p.phase = phase
		p.Screen().Step(ui.Printable(string(r.Phase)), ui.Printable(p.summary(*r)), time.Since(p.began))
	}
	return r.Ended
}

func (p *progress) summary(r fleet.Rollout) string {
	switch {
	case r.Phase == fleet.Preparing:
		return ui.Plural(len(r.Hosts), "host") + " make and warm " + r.Target.Ref
	case r.Phase == fleet.Switching && len(r.Waves) > 0:
		return fmt.Sprintf("wave %d of %d", r.Wave+1, len(r.Waves))
	case r.Phase == fleet.Back:
		return firstLine(r.Reason)
	}
	return r.Target.Ref
}

// firstLine is for progress: the error in the end tells all.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func (s *session) setPause(ctx context.Context, pause *fleet.Pause) error {
	return s.store.Change(ctx, s.app, func(state fleet.State) (fleet.State, bool) {
		state.Paused = pause
		return state, true
	})
}
