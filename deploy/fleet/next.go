package fleet

import (
	"cmp"
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
	out := func(host, why string) {
		r.Out[host] = r.short(why)
		failed = append(failed, host+": "+r.Out[host])
	}
	for _, host := range r.Hosts {
		vote := seen.Votes[host]
		switch stage := seen.stage(host); {
		case seen.Without[host]:
			out(host, without)
		case stage == Finished && vote.Digest != "": // it was on the release already, by hand
			ready = append(ready, host)
		case seen.Absent[host] > r.Bounds.Absent.Span():
			out(host, "has been away for "+seen.Absent[host].Round(time.Second).String())
		case stage == Ready && seen.Absent[host] == 0:
			ready = append(ready, host)
		case stage.Final():
			out(host, cmp.Or(vote.Error, "has ended before the others were ready, and has not said on what content"))
		default:
			slow = append(slow, host)
		}
	}
	late := seen.Since > r.Bounds.Prepare.Span()
	switch differing := r.differing(ready, seen); {
	case differing != "":
		return r.back("the release is not the same on all hosts: " + differing)
	case len(ready)+len(slow) < r.Quorum:
		return r.back(few(failed, "; "))
	case late && len(ready) < r.Quorum:
		return r.back(fmt.Sprintf("not ready within %s: %s", r.Bounds.Prepare.Span(), few(slow, ", ")))
	case late:
		for _, host := range slow {
			r.Out[host] = fmt.Sprintf("not ready within %s", r.Bounds.Prepare.Span())
		}
	case len(slow) > 0:
		return false
	}
	r.Target.Digest = seen.Votes[ready[0]].Digest
	r.Phase, r.Moved, r.Waves = Switching, true, r.wavesOf(ready)
	return true
}

// wavesOf has each wave be as large as was asked for, of the hosts that come along: the first
// one is to prove the release.
func (r *Rollout) wavesOf(along []string) []int {
	var waves []int
	for i, n := range r.Waves {
		upTo := len(r.Hosts)
		if i < len(r.Waves)-1 && n < len(along) {
			upTo = slices.Index(r.Hosts, along[n])
		}
		if len(waves) == 0 || upTo > waves[len(waves)-1] {
			waves = append(waves, upTo)
		}
	}
	return waves
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
		hosts := few(by[digest], ", ")
		if hosts == "" {
			hosts = "as it was asked for"
		} else if len(r.Show) < 2 {
			r.Show = append(r.Show, by[digest][0])
		}
		groups = append(groups, fmt.Sprintf("%.12s %s", digest, hosts))
	}
	return few(groups, "; ")
}

// switched ends a wave: all its hosts have cut over and are well, or one that comes along is
// not, of whichever wave.
func (r *Rollout) switched(seen Seen) bool {
	var failed []string
	for _, host := range r.in(r.Hosts) {
		switch stage := seen.stage(host); {
		case stage == Failed, stage == Returned:
			failed = append(failed, host+": "+r.short(cmp.Or(seen.Votes[host].Error, "is "+string(stage))))
		case seen.Without[host] && stage != Switched && stage != Finished:
			failed = append(failed, host+": "+without)
		}
	}
	if len(failed) > 0 {
		return r.back(few(failed, "; "))
	}
	var waiting []string
	well := 0 // of this wave
	before := r.before()
	for _, host := range r.begun() {
		switch stage := seen.stage(host); {
		case stage == Switched, stage == Finished:
			if !slices.Contains(before, host) {
				well++
			}
		case seen.Absent[host] > r.Bounds.Absent.Span(), seen.Since > r.Bounds.Switch.Span():
			waiting = append(waiting, host)
		default:
			return false
		}
	}
	if len(r.in(r.Hosts))-len(waiting) < r.Quorum || well == 0 && !r.lastWave() {
		return r.back("no word, after the cut-over was let go, of " + few(waiting, ", "))
	}
	for _, host := range waiting {
		r.Out[host] = "no word after the cut-over was let go"
	}
	if r.lastWave() {
		r.Phase = Done
	} else {
		r.Wave++
	}
	return true
}

// without is why a host fails at once.
const without = "its configuration does not have the application any more"

// few names the first: a state has to fit under one key of etcd, whatever hosts say.
func few(names []string, between string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], between) + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, between)
}

// mostOut is what the words on hosts that are out take of a state, in bytes.
const mostOut = 400_000

// short is the first line of what a host says, no longer than would fit for each host.
func (r *Rollout) short(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	most := max(20, min(300, mostOut/max(1, len(r.Hosts))))
	if len(line) <= most {
		return line
	}
	return strings.ToValidUTF8(line[:most], "") + "..."
}

func (r *Rollout) back(reason string) bool {
	r.Phase, r.Reason = Back, reason
	return true
}

// allSaid tells whether nobody is waited for any more. A host that is out, or gone for
// longer than the bound, follows by what is wanted when it is back.
func (r *Rollout) allSaid(seen Seen) bool {
	for _, host := range r.Hosts {
		gone := seen.Absent[host] > r.Bounds.Absent.Span() || seen.Without[host]
		if !r.isOut(host) && !gone && !r.hasEnded(seen.stage(host)) && seen.Since <= r.Bounds.Switch.Span() {
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
