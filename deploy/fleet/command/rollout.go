package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/store"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

func instant() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// rollOut asks the fleet for a rollout, and follows it. The agents carry it on whatever
// becomes of this process: a signal asks them to take it back, where that is undecided.
func (s *session) rollOut(ctx context.Context, target func(context.Context, fleet.State) (fleet.Target, error)) error {
	r, at, err := s.plan(ctx, target)
	if err != nil {
		return err // there is no rollout to report
	}
	of, err := s.proof()
	if err != nil {
		return err
	}
	report := &Report{App: s.app, DryRun: s.Bool("dry-run"), Rollout: r}
	show := func(err error) error {
		of(&report.Rollout)
		return s.Show(report.ended(err), err)
	}
	if report.DryRun {
		return show(nil)
	}
	next := at.State
	next.Rollout = &r
	if err := s.store.Replace(ctx, s.app, next, at.Revision); err != nil {
		return err
	}
	if s.IsSet("wait") && s.Duration("wait") <= 0 {
		return show(exit.As(exit.ErrUnverified, fmt.Errorf("rollout %s is under way; see relink fleet status", r.ID)))
	}
	return show(s.follow(ctx, report))
}

// plan is the rollout as it would be asked for, and the state that it was made from.
func (s *session) plan(ctx context.Context, target func(context.Context, fleet.State) (fleet.Target, error)) (r fleet.Rollout, at store.At, err error) {
	view, err := s.store.View(ctx)
	if err != nil {
		return r, at, err
	}
	at = view.Apps[s.app]
	if err := mayBegin(at.State); err != nil {
		return r, at, err
	}
	r = fleet.Rollout{
		ID: instant().Format("20060102T150405.000Z"), By: s.who(), Started: instant(), Phase: fleet.Preparing,
		Bounds: fleet.Bounds{Prepare: fleet.InSeconds(s.fleet.Prepare), Switch: fleet.InSeconds(s.fleet.Switch), Absent: fleet.InSeconds(s.fleet.Absent)},
	}
	r.Hosts, r.All, err = fleet.Choose(fleet.Choice{Hosts: separated(s.StringSlice("hosts")), Labels: separated(s.StringSlice("label")), App: s.app}, view.Members)
	if err != nil {
		return r, at, err
	}
	if r.Waves, err = fleet.Waves(s.String("waves"), len(r.Hosts)); err != nil {
		return r, at, err
	}
	quorum := s.fleet.Quorum
	if s.IsSet("quorum") {
		quorum = s.String("quorum")
	}
	if r.Quorum, err = fleet.Quorum(quorum, len(r.Hosts)); err != nil {
		return r, at, err
	}
	if err := enough(r, view); err != nil {
		return r, at, err
	}
	stand := maps.Clone(view.Members)
	maps.Copy(stand, view.Hosts)
	at.Wanted = at.Wanted.Adopting(stand, s.app)
	r.Target, err = target(ctx, at.State)
	r.Target.Rollout = r.ID
	if err == nil {
		err = s.sign(&r)
	}
	return r, at, err
}

func mayBegin(s fleet.State) error {
	switch r := s.Rollout; {
	case s.Paused != nil:
		return hint.With(exit.As(exit.ErrLocked, fmt.Errorf("the fleet is paused by %s since %s: %s", s.Paused.By, ui.Stamp(s.Paused.Since), s.Paused.Reason)), "relink fleet resume")
	case r != nil && !r.Ended:
		return exit.As(exit.ErrLocked, fmt.Errorf("rollout %s of %s by %s is under way", r.ID, r.Target.Ref, r.By))
	}
	return nil
}

// enough refuses at once what could only be taken back after a while.
func enough(r fleet.Rollout, view store.View) error {
	var gone []string
	for _, host := range r.Hosts {
		if _, there := view.Hosts[host]; !there {
			gone = append(gone, host)
		}
	}
	if len(r.Hosts)-len(gone) >= r.Quorum {
		return nil
	}
	return hint.With(fmt.Errorf("away: %s; %d of %s have to come along", strings.Join(gone, ", "), r.Quorum, ui.Plural(len(r.Hosts), "host")),
		"start their agents (systemctl start relink-agent), name the others by --hosts, ask for fewer by --quorum, or take a host that does not come back out of the fleet: relink fleet remove %s", gone[0])
}

// resolve finds what a ref means, once for all hosts.
func (s *session) resolve(ctx context.Context, _ fleet.State) (fleet.Target, error) {
	to := fleet.Target{Ref: s.Args().First()}
	o, d, err := s.open()
	if err != nil {
		return to, err
	}
	if o.FetchTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.FetchTimeout)
		defer cancel()
	}
	if isPath(to.Ref) {
		from, ref, err := sourceAt(to.Ref)
		if err != nil {
			return to, err
		}
		return s.handOut(ctx, from, ref)
	}
	if s.fleet.Serve != "" && o.App.Source.Kind != "git" { // which only this host may have
		return s.handOut(ctx, d.Source, to.Ref)
	}
	found, err := d.Source.Resolve(ctx, to.Ref)
	to.Commit = found.Commit
	return to, err
}

// before is the last release that a rollout brought to all hosts and that is another one
// than what is wanted now.
func (s *session) before(ctx context.Context, now fleet.State) (fleet.Target, error) {
	const past = 100
	all, err := s.store.History(ctx, s.app, past)
	if err != nil {
		return fleet.Target{}, err
	}
	for _, r := range all {
		if to := s.String("to"); r.Phase == fleet.Done && (r.ID == to || to == "" && r.Target.Digest != now.Wanted.All.Digest) {
			return r.Target, nil
		}
	}
	return fleet.Target{}, hint.With(exit.Usagef("no earlier rollout to go back to"), "see relink fleet history; relink fleet deploy REF brings any ref")
}

// follow tells how far it has come, until it has ended. A signal has it taken back.
func (s *session) follow(ctx context.Context, report *Report) error {
	bound := report.Rollout.Most()
	if s.IsSet("wait") {
		bound = s.Duration("wait")
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	interrupted := context.AfterFunc(ctx, func() {
		s.Screen().Line("  asking the hosts to take it back; what is decided already stays")
		if err := s.giveUp(limited, report.Rollout.ID); err != nil {
			s.Screen().Line("  %s", err)
		}
	})
	defer interrupted()
	ended := make(chan struct{})
	watching, stop := context.WithCancel(limited)
	defer stop()
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

// giveUp has it taken back where nothing is decided yet.
func (s *session) giveUp(ctx context.Context, id string) error {
	return s.store.Change(ctx, s.app, func(state fleet.State) (fleet.State, bool) {
		if state.Rollout == nil || state.Rollout.ID != id {
			return state, false
		}
		return fleet.GiveUp(state, "interrupted by "+s.who())
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
}

func (p *progress) away(err error) { p.Screen().Line("  %s; the agents go on by what they know", err) }

// tell notes a view, and tells whether the rollout has ended.
func (p *progress) tell(v store.View) (ended bool) {
	r := v.Apps[p.app].Rollout
	if r == nil || r.ID != p.report.Rollout.ID {
		p.passed = true
		return true
	}
	p.report.take(*r, v.VotesOn(p.app, r.ID), v.Hosts)
	if p.stages == nil {
		p.stages = map[string]fleet.Stage{}
	}
	for _, host := range r.Hosts {
		vote := p.report.Votes[host]
		if vote.Stage != "" && vote.Stage != p.stages[host] {
			p.stages[host] = vote.Stage
			p.Screen().Line("  %s: %s", host, strings.TrimSuffix(strings.Join([]string{string(vote.Stage), firstLine(vote.Error)}, ", "), ", "))
		}
	}
	if phase := fmt.Sprint(r.Phase, r.Wave); phase != p.phase {
		p.phase = phase
		p.Screen().Step(string(r.Phase), p.summary(*r), time.Since(p.began))
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

func separated(values []string) []string {
	var names []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
