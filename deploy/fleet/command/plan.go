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

// chooses finds what these hosts are to be brought to.
type chooses func(ctx context.Context, now fleet.State, hosts []string) (fleet.Target, error)

// plan is the state with the rollout as it would be asked for, and the one that it was made from.
func (s *session) plan(ctx context.Context, target chooses) (next fleet.State, at store.At, err error) {
	view, err := s.store.View(ctx)
	if err != nil {
		return next, at, err
	}
	at = view.Apps[s.app]
	next = at.State
	if err := mayBegin(at.State); err != nil {
		return next, at, err
	}
	r := fleet.Rollout{
		ID: fleet.NewID(time.Now(), at.Rollout), By: s.who(), Started: instant(), Phase: fleet.Preparing,
		Bounds: fleet.Bounds{Prepare: fleet.InSeconds(s.fleet.Prepare), Switch: fleet.InSeconds(s.fleet.Switch), Absent: fleet.InSeconds(s.fleet.Absent)},
	}
	stand := standing(view)
	if err := s.choose(&r, stand); err != nil {
		return next, at, err
	}
	if err := enough(r, view); err != nil {
		return next, at, err
	}
	next.Wanted = at.Wanted.Adopting(stand, s.app)
	r.Target, err = target(ctx, next, r.Hosts)
	r.Target.Rollout = r.ID
	if err == nil {
		err = s.sign(&r)
	}
	next.Rollout = &r
	return next, at, errors.Join(err, next.Validate())
}

// standing is what the members say: those that are there now, the others as they arrived last.
func standing(view store.View) map[string]fleet.Host {
	all := maps.Clone(view.Members)
	for name := range all {
		if there, is := view.Hosts[name]; is {
			all[name] = there
		}
	}
	return all
}

// choose reads for which hosts the rollout is, in which waves, and how many have to come along.
func (s *session) choose(r *fleet.Rollout, stand map[string]fleet.Host) (err error) {
	c := fleet.Choice{Hosts: separated(s.StringSlice("hosts")), Labels: separated(s.StringSlice("label")), App: s.app}
	for flag, given := range map[string][]string{"hosts": c.Hosts, "label": c.Labels} {
		if s.IsSet(flag) && len(given) == 0 {
			return exit.Usagef("--%s is empty; leave it out for all hosts", flag)
		}
	}
	var idle []string
	if r.Hosts, idle, r.All, err = fleet.Choose(c, stand); err != nil {
		return err
	}
	if len(idle) > 0 {
		s.Screen().Line("  left out, without an instance of %s: %s", s.app, ui.Printable(ui.FirstFew(idle)))
	}
	if r.Waves, err = fleet.Waves(s.String("waves"), len(r.Hosts)); err != nil {
		return err
	}
	if s.IsSet("quorum") {
		r.Quorum, err = fleet.Quorum(s.String("quorum"), len(r.Hosts))
		return err
	}
	if r.Quorum, err = fleet.StandingQuorum(s.fleet.Quorum, len(r.Hosts)); err != nil {
		return fmt.Errorf("fleet.quorum: %w", err)
	}
	return nil
}

func mayBegin(s fleet.State) error {
	switch r := s.Rollout; {
	case s.Paused != nil:
		return hint.With(exit.As(exit.ErrLocked, fmt.Errorf("the fleet is paused by %s since %s: %s", s.Paused.By, ui.Stamp(s.Paused.Since), s.Paused.Reason)), "relink fleet resume")
	case r != nil && !r.Ended:
		return hint.With(exit.As(exit.ErrLocked, fmt.Errorf("rollout %s of %s by %s is under way", r.ID, r.Target.Ref, r.By)), "the agents carry it on; relink fleet rollback takes it back")
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
func (s *session) resolve(ctx context.Context, _ fleet.State, _ []string) (fleet.Target, error) {
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

// before is what these hosts were on before, or what --to names.
func (s *session) before(ctx context.Context, now fleet.State, hosts []string) (fleet.Target, error) {
	const past = 100
	all, err := s.store.History(ctx, s.app, past)
	if err != nil {
		return fleet.Target{}, err
	}
	to := s.String("to")
	if to == "" {
		return now.Earlier(hosts, all)
	}
	for _, r := range all {
		if r.Phase == fleet.Done && r.ID == to {
			return r.Target, nil
		}
	}
	return fleet.Target{}, hint.With(exit.Usagef("no rollout %q was done", to), "see relink fleet history")
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
