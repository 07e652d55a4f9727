package command

import (
	"context"
	"fmt"
	"strings"

	"relink/deploy/fleet"
	"relink/internal/exit"
	"relink/internal/ui"
)

// Status is where a fleet stands with one application.
type Status struct {
	App     string           `json:"app"`
	Wanted  fleet.Wanted     `json:"wanted"`
	Rollout *fleet.Rollout   `json:"rollout"`
	Paused  *fleet.Pause     `json:"paused"`
	Hosts   []fleet.Standing `json:"hosts"`
	Exit    int              `json:"exit"`
	Error   *exit.Failure    `json:"error"`
}

// status shows the fleet. It is ErrUnverified where a host is away or not ready.
func (s *session) status(ctx context.Context) error {
	v, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	at := v.Apps[s.app]
	of, err := s.proof()
	if err != nil {
		return err
	}
	if at.Rollout != nil {
		of(at.Rollout)
	}
	result := Status{App: s.app, Wanted: at.Wanted, Rollout: at.Rollout, Paused: at.Paused, Hosts: v.Standing(s.app)}
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
	fmt.Fprintf(&b, "%s  %s\n", s.App, s.doing())
	table := ui.NewTable(width, "HOST", "READY", "RELEASE", "WANTED", "INSTANCES").Right(4)
	for _, h := range s.Hosts {
		ready := "yes"
		if !h.Ready {
			ready = "no: " + h.Why
		}
		wanted := h.Wanted.Ref
		if wanted == "" {
			wanted = "-"
		}
		table.Row(h.Name, ready, h.On.Release, wanted, ui.Count(h.On.Instances))
	}
	text := b.String() + table.String()
	for _, h := range s.Hosts {
		if h.Problem != "" {
			text += h.Name + ": " + h.Problem + "\n"
		}
	}
	return text
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
		return "rollout " + r.ID + " of " + r.Target.Ref + " by " + by(*r) + ": " + string(r.Phase)
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
