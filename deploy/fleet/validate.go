package fleet

import (
	"errors"
	"fmt"
)

// mostBound is more than anybody waits for a host, in seconds.
const mostBound Seconds = 1e7

// Validate tells why a state is none that can be acted on: a later relink has written it, or a
// person. It is not understood then, which is something else than that nothing is wanted.
func (s State) Validate() error {
	if s.Rollout == nil {
		return nil
	}
	if err := s.Rollout.validate(); err != nil {
		return fmt.Errorf("rollout %q: %w", s.Rollout.ID, err)
	}
	return nil
}

func (r *Rollout) validate() error {
	switch r.Phase {
	case Preparing, Switching:
		if r.Ended {
			return fmt.Errorf("it has ended in the phase %q", r.Phase)
		}
	case Done, Back:
	default:
		return fmt.Errorf("the phase %q is not known", r.Phase)
	}
	last := 0
	for _, n := range r.Waves {
		if n <= last {
			return fmt.Errorf("the waves %v do not rise", r.Waves)
		}
		last = n
	}
	if r.Wave < 0 || r.Wave >= max(1, len(r.Waves)) {
		return fmt.Errorf("wave %d of %d is none", r.Wave, max(1, len(r.Waves)))
	}
	if r.Ended {
		return nil
	}
	return r.validateOpen()
}

// validateOpen looks at what is only asked while the rollout goes on.
func (r *Rollout) validateOpen() error {
	switch {
	case r.ID == "":
		return errors.New("it has no id")
	case r.Quorum < 1 || r.Quorum > len(r.Hosts):
		return fmt.Errorf("a quorum of %d of %d hosts is none", r.Quorum, len(r.Hosts))
	case len(r.Waves) > 0 && r.Waves[len(r.Waves)-1] != len(r.Hosts):
		return fmt.Errorf("the waves %v do not end with all %d hosts", r.Waves, len(r.Hosts))
	}
	for what, bound := range map[string]Seconds{"prepare_seconds": r.Bounds.Prepare, "switch_seconds": r.Bounds.Switch, "absent_seconds": r.Bounds.Absent} {
		if !(bound > 0 && bound <= mostBound) { // NaN is neither
			return fmt.Errorf("%s %g is no bound", what, float64(bound))
		}
	}
	return nil
}
