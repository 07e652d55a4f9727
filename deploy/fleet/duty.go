package fleet

import "slices"

// Is tells whether an application stands on the target.
func (t Target) Is(on AppOn) bool {
	if t.Digest != "" && on.Digest != "" {
		return t.Digest == on.Digest
	}
	return t.Commit != "" && t.Commit == on.Commit
}

// Stands tells whether a host serves what it is to serve: what is wanted of it or, while it is
// not decided yet whether a rollout stays, what was before.
func (s State) Stands(host string, on AppOn) bool {
	if on.Idle() {
		return true // nothing of it is served here
	}
	wanted := []Target{s.WantedOf(host)}
	if r := s.Rollout; r != nil && !r.Phase.Decided() && slices.Contains(r.Hosts, host) {
		wanted = append(wanted, s.Wanted.Of(host))
	}
	return slices.ContainsFunc(wanted, func(to Target) bool { return to == (Target{}) || to.Is(on) })
}

// Duty is what a host has to do next for one application.
type Duty string

const (
	Rest   Duty = ""       // nothing: it is where it is to be, or waits for a decision
	Join   Duty = "join"   // take part in the rollout that is under way
	Follow Duty = "follow" // come to what is wanted by itself: it was away, or has not come along
	Say    Duty = "say"    // tell that the rollout has ended here
)

// DutyOf is what a host has to do, given what it stands on and what it has said last.
func DutyOf(s State, host string, on AppOn, own Vote) (duty Duty, to Target) {
	r := s.Rollout
	mine := r != nil && !r.Ended && slices.Contains(r.Hosts, host)
	said := mine && own.Rollout == r.ID && r.hasEnded(own.Stage)
	if on.Idle() {
		if mine && !said && !r.isOut(host) {
			return Say, Target{}
		}
		return Rest, Target{}
	}
	if mine && !r.Phase.Decided() {
		if said || r.isOut(host) {
			return Rest, Target{}
		}
		return Join, r.Target
	}
	switch to = s.WantedOf(host); {
	case to != (Target{}) && !to.Is(on):
		return Follow, to
	case mine && !said && !r.isOut(host):
		return Say, to
	}
	return Rest, to
}

// Last is what a host says once a rollout has been decided and it stands as is wanted.
func (s State) Last(host string, own Vote, on AppOn) Vote {
	r := s.Rollout
	v := Vote{Rollout: r.ID}
	if own.Rollout == r.ID {
		v = own
	}
	switch {
	case on.Idle():
		v.Stage, v.Error = Failed, "it has no instance of the application"
	case r.Phase != Back:
		v.Stage = Finished
	case r.Target.Is(on) && !s.WantedOf(host).Is(on):
		v.Stage, v.Doubt, v.Error = Failed, true, "it is on the release, and has none to go back to"
	default:
		v.Stage = Returned
	}
	return v
}
