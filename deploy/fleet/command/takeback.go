package command

import (
	"context"
	"errors"
	"fmt"

	"relink/deploy/fleet"
	"relink/internal/exit"
	"relink/internal/hint"
)

// rollBack goes back to the release before: where a rollout is still undecided, by having it
// taken back, whoever has begun it, and whatever has become of that command.
func (s *session) rollBack(ctx context.Context) error {
	state, _, err := s.store.State(ctx, s.app)
	if err != nil {
		return err
	}
	chosen := s.IsSet("to") || s.IsSet("hosts") || s.IsSet("label") || s.Bool("dry-run")
	if r := state.Rollout; r != nil && !r.Phase.Decided() && !chosen {
		return s.takeBack(ctx, *r)
	}
	return s.rollOut(ctx, s.before)
}

func (s *session) takeBack(ctx context.Context, r fleet.Rollout) error {
	report := &Report{App: s.app, Rollout: r}
	if err := s.giveUp(ctx, r.ID, "taken back by "+s.who()); err != nil {
		return err
	}
	s.Screen().Line("  rollout %s of %s by %s is taken back", r.ID, r.Target.Ref, r.By)
	err := s.follow(ctx, report)
	switch taken := report.Rollout; {
	case taken.Phase == fleet.Done:
		err = errors.Join(err, hint.With(fmt.Errorf("it was decided before: rollout %s stays", taken.ID), "relink fleet rollback goes back to the release before"))
	case taken.Ended && taken.Phase == fleet.Back && !errors.Is(err, exit.ErrUnverified):
		err = nil // as was asked for
	}
	return s.Show(report.ended(err), err)
}
