package command

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"relink/deploy/fleet"
	"relink/internal/exit"
	"relink/internal/ui"
)

// Status is where a fleet stands with one application.
type Status struct {
	fleet.Overview
	Wanted  fleet.Wanted  `json:"wanted"`
	Steward string        `json:"steward,omitempty"` // the host that decides; absent where none does
	Exit    int           `json:"exit"`
	Error   *exit.Failure `json:"error"`
}

// status shows the fleet. It is ErrUnverified where a host is away or not ready.
func (s *session) status(ctx context.Context) error {
	v, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	result := Status{Overview: v.Overview(s.app), Wanted: v.Apps[s.app].Wanted, Steward: v.Steward()}
	of, err := s.proof()
	if err != nil {
		return err
	}
	if result.Rollout != nil {
		of(result.Rollout)
	}
	var not []string
	for _, h := range result.Hosts {
		if !h.Ready {
			not = append(not, h.Name)
		}
	}
	if len(not) > 0 {
		err = exit.As(exit.ErrUnverified, fmt.Errorf("not ready: %s", strings.Join(not, ", ")))
	}
	result.Exit, result.Error = exit.Status(err), exit.FailureOf(err)
	return s.Show(result, err)
}

// Text is the status for people.
func (s Status) Text(width int) string {
	var b strings.Builder
	b.WriteString(folded(s.App+": "+s.doing(), width))
	b.WriteString(folded("steward: "+cmp.Or(s.Steward, "none: no rollout goes on"), width))
	table := ui.NewTable(width, "HOST", "STATE", "RELEASE", "WANTED", "INSTANCES").Right(4)
	for _, h := range s.Hosts {
		release, instances := cmp.Or(h.On.Release, "-"), ui.Count(h.On.Instances)
		if !h.There { // what it said when it arrived may have passed
			release, instances = "-", "-"
		}
		table.Row(h.Name, stateOf(h), release, cmp.Or(h.Wanted.Ref, "-"), instances)
	}
	b.WriteString(table.String())
	for _, h := range s.Hosts {
		if h.Problem != "" {
			b.WriteString(folded(h.Name+": "+h.Problem, width))
		}
	}
	return b.String()
}

// stateOf is the state, how far the host has come, and why it is not ready.
func stateOf(h fleet.Standing) string {
	switch {
	case h.State == fleet.Moving:
		return string(h.Stage)
	case h.State == fleet.Away || h.Why == "":
		return string(h.State)
	}
	return string(h.State) + ": " + h.Why
}

func (s Status) doing() string {
	switch r := s.Rollout; {
	case s.Paused != nil:
		return "paused by " + s.Paused.By
	case r == nil:
		return "no rollout yet"
	case r.Ended:
		return "last rollout " + r.ID + " of " + r.Target.Ref + ": " + string(r.Phase)
	default:
		return "rollout " + r.ID + " of " + r.Target.Ref + " by " + by(*r) + ": " + string(r.Phase) + ", " + s.Progress()
	}
}

// History is what was rolled out, newest first.
type History struct {
	App      string          `json:"app"`
	Rollouts []fleet.Rollout `json:"rollouts"`
	Exit     int             `json:"exit"`
}

func (s *session) history(ctx context.Context) error {
	if s.Int("limit") < 1 {
		return exit.Usagef("--limit %d is less than 1", s.Int("limit"))
	}
	past, err := s.store.History(ctx, s.app, s.Int("limit"))
	if err != nil {
		return err
	}
	of, err := s.proof()
	if err != nil {
		return err
	}
	for i := range past {
		of(&past[i])
	}
	return s.Show(History{App: s.app, Rollouts: past}, nil)
}

// Text is the history for people.
func (h History) Text(width int) string {
	if len(h.Rollouts) == 0 {
		return "Nothing was rolled out yet.\n"
	}
	table := ui.NewTable(width, "ROLLOUT", "BY", "REF", "HOSTS", "RESULT").Right(3)
	for _, r := range h.Rollouts {
		result := string(r.Phase)
		if r.Reason != "" {
			result += ": " + r.Reason
		}
		table.Row(r.ID, by(r), r.Target.Ref, ui.Count(len(r.Hosts)), result)
	}
	return table.String()
}
