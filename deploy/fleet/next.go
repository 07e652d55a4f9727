package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Next is what becomes of a rollout, given what the hosts say; changed is false where
// nothing does yet. It is asked by whoever is the steward, and written only where the state
// is the one that it was asked of.
func Next(s State, seen Seen) (next State, changed bool) {
	if s.Rollout == nil || s.Rollout.Ended {
		return s, false
	}
	r := *s.Rollout
	r.Out = maps.Clone(r.Out)
	if r.Out == nil {
		r.Out = map[string]string{}
	}
	next = s
	next.Rollout = &r
	switch r.Phase {
	case Preparing:
		return next, r.prepared(seen)
	case Switching:
		changed = r.switched(seen)
		if r.Phase == Done {
			next.Wanted = s.Wanted.with(r.Target, r.Hosts, r.All)
		}
		return next, changed
	default:
		r.Ended = r.allSaid(seen)
		return next, r.Ended
	}
}

// prepared ends the first phase: once all hosts are ready with the same content, or as many
// as the quorum asks for and no other one can come any more.
func (r *Rollout) prepared(seen Seen) bool {
	var ready, failed, slow []string
	for _, host := range r.Hosts {
		switch stage := seen.stage(host); {
		case seen.Absent[host] > r.Bounds.Absent.Span():
			failed = append(failed, host+": has been away for "+seen.Absent[host].Round(time.Second).String())
			r.Out[host] = "away"
		case stage == Ready && seen.Absent[host] == 0:
			ready = append(ready, host)
		case stage.Final():
			failed = append(failed, host+": "+seen.Votes[host].Error)
			r.Out[host] = seen.Votes[host].Error
		default:
			slow = append(slow, host)
		}
	}
	late := seen.Since > r.Bounds.Prepare.Span()
	switch differing := r.differing(ready, seen); {
	case differing != "":
		return r.back("the release is not the same on all hosts: " + differing)
	case len(ready)+len(slow) < r.Quorum:
		return r.back(strings.Join(failed, "; "))
	case late && len(ready) < r.Quorum:
		return r.back(fmt.Sprintf("not ready within %s: %s", r.Bounds.Prepare.Span(), strings.Join(slow, ", ")))
	case late:
		for _, host := range slow {
			r.Out[host] = fmt.Sprintf("not ready within %s", r.Bounds.Prepare.Span())
		}
	case len(slow) > 0:
		return false
	}
	r.Target.Digest = seen.Votes[ready[0]].Digest
	r.Phase, r.Moved = Switching, true
	return true
}

// differing tells who has which content, where that is not one.
func (r *Rollout) differing(ready []string, seen Seen) string {
	by := map[string][]string{}
	for _, host := range ready {
		by[seen.Votes[host].Digest] = append(by[seen.Votes[host].Digest], host)
	}
	if r.Target.Digest != "" && len(ready) > 0 { // a rollback knows what it was
		by[r.Target.Digest] = append([]string{}, by[r.Target.Digest]...)
	}
	if len(by) < 2 {
		return ""
	}
	var groups []string
	r.Show = nil
	for _, digest := range slices.Sorted(maps.Keys(by)) {
		hosts := strings.Join(by[digest], ", ")
		if hosts == "" {
			hosts = "as it was asked for"
		} else if len(r.Show) < 2 {
			r.Show = append(r.Show, by[digest][0])
		}
		groups = append(groups, fmt.Sprintf("%.12s %s", digest, hosts))
	}
	return strings.Join(groups, "; ")
}

// switched ends a wave: all its hosts have cut over and are well, or one is not.
func (r *Rollout) switched(seen Seen) bool {
	var waiting []string
	for _, host := range r.begun() {
		switch stage := seen.stage(host); {
		case stage == Switched, stage == Finished:
		case stage == Failed, stage == Returned:
			return r.back(host + ": " + seen.Votes[host].Error)
		case seen.Absent[host] > r.Bounds.Absent.Span(), seen.Since > r.Bounds.Switch.Span():
			waiting = append(waiting, host)
		default:
			return false
		}
	}
	switch {
	case len(r.in(r.Hosts))-len(waiting) < r.Quorum:
		return r.back("no word, after the cut-over was let go, of " + strings.Join(waiting, ", "))
	case len(waiting) > 0:
		for _, host := range waiting {
			r.Out[host] = "no word after the cut-over was let go"
		}
	}
	if r.lastWave() {
		r.Phase = Done
	} else {
		r.Wave++
	}
	return true
}

func (r *Rollout) back(reason string) bool {
	r.Phase, r.Reason = Back, reason
	return true
}

// allSaid tells whether nobody is waited for any more. A host that is out, or gone for
// longer than the bound, follows by what is wanted when it is back.
func (r *Rollout) allSaid(seen Seen) bool {
	for _, host := range r.Hosts {
		gone := seen.Absent[host] > r.Bounds.Absent.Span()
		if r.Out[host] == "" && !gone && !seen.stage(host).Final() && seen.Since <= r.Bounds.Switch.Span() {
			return false
		}
	}
	return true
}

// GiveUp is the rollout taken back since somebody asked for that; changed is false where it
// is decided already.
func GiveUp(s State, reason string) (next State, changed bool) {
	if s.Rollout == nil || s.Rollout.Phase.Decided() {
		return s, false
	}
	r := *s.Rollout
	r.back(reason)
	s.Rollout = &r
	return s, true
}
